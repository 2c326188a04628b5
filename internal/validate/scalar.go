package validate

import "encoding/json"

// Scalars are the strings, numbers and booleans a claim consists of.
func Scalars(raw json.RawMessage) []string {
	var many []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &many) != nil {
		many = []json.RawMessage{raw}
	}
	var out []string
	for _, one := range many {
		var text string
		switch {
		case len(one) == 0, one[0] == '{', one[0] == '[', string(one) == "null":
		case one[0] != '"':
			out = append(out, string(one))
		case json.Unmarshal(one, &text) == nil:
			out = append(out, text)
		}
	}
	return out
}
