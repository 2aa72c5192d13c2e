package control

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPIPage: the tables of docs/api.md are those of the code. -update rewrites
// them.
func TestAPIPage(t *testing.T) {
	t.Parallel()
	const path = "../docs/api.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(b)
	for name, table := range map[string]string{"routes": routeTable(), "codes": codeTable(newDocument(t))} {
		part := regexp.MustCompile(`(?s)(<!-- ` + name + `: generated -->\n).*?(<!-- end -->)`)
		if !part.MatchString(want) {
			t.Errorf("%s has no place for the %s", path, name)
		}
		want = part.ReplaceAllString(want, "${1}"+strings.ReplaceAll(table, "$", "$$")+"${2}")
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("%s is stale (go test ./control -run APIPage -update):\n%s", path, diff)
	}
}

func routeTable() string {
	var b strings.Builder
	b.WriteString("| request | access | query | body | answer |\n|---|---|---|---|---|\n")
	for _, rt := range routes() {
		var query []string
		for _, p := range rt.query {
			query = append(query, "`"+p.name+"`")
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s | %s |\n", rt.method, strings.ReplaceAll(rt.path, "...}", "}"), rt.access,
			strings.Join(query, " "), typeWords(rt.in), typeWords(rt.out))
	}
	return b.String()
}

// typeWords names what is sent as the OpenAPI document does.
func typeWords(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case lines:
		return "lines of " + typeWords(v.item)
	case upgraded:
		return "upgrade, then " + typeWords(v.item)
	case text:
		return "text"
	case map[string]any:
		return "the OpenAPI document"
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Slice {
		return "array of " + t.Elem().Name()
	}
	return t.Name()
}

// codeTable lists the codes of problems with their comments.
func codeTable(d *document) string {
	var b strings.Builder
	b.WriteString("| code | status | means |\n|---|---|---|\n")
	for _, code := range d.enums["Code"] {
		status := fmt.Sprint(Code(code).status())
		if Code(code) == CodeUnreachable || Code(code) == CodeBroken {
			continue // the client's own
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code, status, d.docs["Code."+code])
	}
	return b.String()
}
