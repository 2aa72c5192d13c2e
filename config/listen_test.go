package config

import (
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, supervisor, want string }{
		{"nothing", "{}", ""},
		{"empty", `{listen: "", tls: {cert: "", key: "", client_ca: ""}, tokens_file: ""}`, ""},
		{"address", "{listen: 127.0.0.1:9900}", ""},
		{"any port", "{listen: '127.0.0.1:0'}", ""},
		{"name", "{listen: 'localhost:9900'}", ""},
		{"all addresses", "{listen: ':9900'}", ""},
		{"everything", "{listen: ':1', tls: {cert: c, key: k, client_ca: a}, tokens_file: t}", ""},
		{"port alone", "{listen: '9900'}", `listen: is "9900", not an address to listen on`},
		{"number", "{listen: 9900}", `listen: is 9900, not an address to listen on`},
		{"no port", "{listen: localhost}", `listen: is "localhost", not an address to listen on`},
		{"large port", "{listen: ':65536'}", `listen: is ":65536", not an address to listen on`},
		{"url", "{listen: 'http://x:80'}", `not an address to listen on`},
		{"no key", "{listen: ':1', tls: {cert: c}}", "tls.cert: has no key beside it"},
		{"no cert", "{listen: ':1', tls: {key: k}}", "tls.key: has no cert beside it"},
		{"ca alone", "{listen: ':1', tls: {client_ca: a}}", "tls.client_ca: has no cert beside it"},
		{"tls for nothing", "{tls: {cert: c, key: k}}", "supervisor.tls.cert: warning: changes nothing without listen"},
		{"tokens for nothing", "{tokens_file: t}", "supervisor.tokens_file: warning: changes nothing without listen"},
		{"tokens in plain text", "{listen: ':1', tokens_file: t}", "supervisor.tokens_file: warning: changes nothing without tls"},
		{"misspelt", "{listen: ':1', tls: {certificate: c}}", "tls.certificate: unknown key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("/srv/gosup.yaml", []byte("supervisor: "+tt.supervisor+"\nprocesses: {a: {command: a}}"), testOptions())
			got := problems.Error()
			if tt.want == "" && len(problems) > 0 || !strings.Contains(got, tt.want) || len(problems) > 1 {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
