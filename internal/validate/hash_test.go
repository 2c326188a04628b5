package validate_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestHashMatches(t *testing.T) {
	// The values of RS256 are those of Core A.4 and A.6.
	const accessToken = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	const code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
	for _, tt := range []struct {
		name, alg, value, hash string
		want                   bool
	}{
		{"at_hash of the specification", "RS256", accessToken, "77QmUPtjPfzWtF2AnpK9RQ", true},
		{"c_hash of the specification", "RS256", code, "LDktKdoQak3Pk0cnXxCltA", true},
		{"the same with another alg of that digest", "PS256", code, "LDktKdoQak3Pk0cnXxCltA", true},
		{"SHA-256 with EdDSA", "EdDSA", code, "LDktKdoQak3Pk0cnXxCltA", true},
		{"SHA-256 of another value with EdDSA", "EdDSA", accessToken, "LDktKdoQak3Pk0cnXxCltA", false},
		{"a prefix with EdDSA", "EdDSA", code, "LDktKdoQak3Pk0cnXxCl", false},
		{"another value", "RS256", accessToken, "LDktKdoQak3Pk0cnXxCltA", false},
		{"another digest", "RS512", code, "LDktKdoQak3Pk0cnXxCltA", false},
		{"another case", "RS256", code, "ldktKdoQak3Pk0cnXxCltA", false},
		{"a prefix", "RS256", code, "LDktKdoQak3Pk0cnXxClt", false},
		{"an empty hash", "RS256", code, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := validate.HashMatches(tt.alg, tt.value, tt.hash)
			if err != nil || got != tt.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	for _, alg := range []string{"", "none", "RS1", "rs256", "ES256K"} {
		_, err := validate.HashMatches(alg, code, "x")
		assertCheck(t, err, "alg")
	}
}
