package provider

import (
	"maps"
	"slices"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// lacking returns the first required claim that an ID token does not have with
// one of its values; "" if all is well. One that is absent matters only where
// all must be there.
func (s *Settings) lacking(token validate.Claims, all bool) string {
	for _, name := range slices.Sorted(maps.Keys(s.RequireClaims)) {
		has, present, err := token.Strings(name)
		if err == nil && !present && !all {
			continue
		}
		if err != nil || len(has) == 0 || !accepts(s.RequireClaims[name], has) {
			return name
		}
	}
	return ""
}

// accepts reports whether one of the values is wanted; nil wants any.
func accepts(wanted, values []string) bool {
	return wanted == nil || slices.ContainsFunc(values, func(v string) bool { return slices.Contains(wanted, v) })
}

// checkRequireClaims refuses what nobody, or by mistake anybody, could have.
func (s *Settings) checkRequireClaims(m *mistakes) {
	for _, name := range slices.Sorted(maps.Keys(s.RequireClaims)) {
		wanted := s.RequireClaims[name]
		switch {
		case name == "":
			m.add("RequireClaims has a claim without a name: remove it")
		case wanted != nil && len(wanted) == 0:
			m.add("RequireClaims[%q] is empty: list the values that may sign in, or use nil for any", name)
		case slices.Contains(wanted, ""):
			m.add("RequireClaims[%q] has an empty value: remove it", name)
		}
	}
}

func cloneLists(lists map[string][]string) map[string][]string {
	lists = maps.Clone(lists)
	for name, list := range lists {
		lists[name] = slices.Clone(list)
	}
	return lists
}
