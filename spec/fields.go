package spec

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gosup/policy"
)

// Field is one key of a definition and its value, as the configuration file
// would have them.
type Field struct {
	Key    string
	Value  string // a secret is only said to be set, and xxxxx in a URL
	secret string
}

// Fields returns what a process is defined as, in the order of its
// definition, its name and what is not set left out. Values of env and of
// headers, and passwords in URLs, are secrets.
func (p *Process) Fields() (all []Field) {
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "Name" {
			all = appendFields(all, v.Field(i), topKey(name))
		}
	}
	return all
}

// fields returns the settings of a group alone.
func (g *Group) fields() (all []Field) {
	all = appendFields(all, reflect.ValueOf(g.Strategy), "strategy")
	all = appendFields(all, reflect.ValueOf(g.Restart), "restart")
	return appendFields(all, reflect.ValueOf(g.OnExhausted), "on_exhausted")
}

// topKey returns the key of a field of a process.
func topKey(field string) string {
	if flat[field] {
		return ""
	}
	return fileKey(field)
}

// appendFields appends what v holds, at key and below.
func appendFields(all []Field, v reflect.Value, key string) []Field {
	add := func(value string) []Field { return append(all, Field{Key: key, Value: value}) }
	switch x := v.Interface().(type) {
	case []string:
		if key == "env" {
			for _, kv := range x {
				name, value, _ := strings.Cut(kv, "=")
				all = append(all, Field{Key: "env." + name, Value: "(set)", secret: value})
			}
			return all
		}
		if len(x) == 0 {
			return all
		}
		return add(words(x))
	case [][]string:
		for _, argv := range x {
			all = add(words(argv))
		}
		return all
	case []int:
		return add(strings.Trim(fmt.Sprint(x), "[]"))
	case []Header:
		for _, h := range x {
			all = append(all, Field{Key: key + "." + h.Name, Value: "(set)", secret: h.Value})
		}
		return all
	case []DependsOn:
		for _, d := range x {
			value := d.Condition.String()
			if d.Restart {
				value += ", restart"
			}
			all = append(all, Field{Key: key + "." + d.Name, Value: value})
		}
		return all
	case []StopStep:
		for _, s := range x {
			all = add(SignalName(s.Signal) + ", then " + short(s.Wait))
		}
		return all
	case []ExitRule:
		for _, r := range x {
			value := "at least " + short(r.Delay)
			if r.Never {
				value = "never"
			}
			all = append(all, Field{Key: key + "." + r.Class, Value: value})
		}
		return all
	case []Socket:
		for _, s := range x {
			all = append(all, Field{Key: key + "." + s.Name, Value: s.words()})
		}
		return all
	case []Limit:
		for _, l := range x {
			all = append(all, Field{Key: key + "." + l.Resource, Value: limit(l.Soft) + ":" + limit(l.Hard)})
		}
		return all
	case []Check:
		for _, c := range x {
			at := key
			if c.Name != "" {
				at += ".checks." + c.Name
			}
			c.Name = ""
			all = appendFields(all, reflect.ValueOf(c), at)
		}
		return all
	case Hooks:
		for m, h := range x {
			if h != nil {
				all = appendFields(all, reflect.ValueOf(*h), key+"."+Moment(m).String())
			}
		}
		return all
	case Hook:
		all = appendFields(all, reflect.ValueOf(x.Commands), key+".command")
		all = appendFields(all, reflect.ValueOf(x.Timeout), key+".timeout")
		if x.MayFail {
			all = append(all, Field{Key: key + ".on_failure", Value: "ignore"})
		}
		return all
	case CapSet:
		return add(x.words())
	case User:
		return add(strings.TrimSpace(fmt.Sprintf("%s %d:%d", x.Name, x.UID, x.GID)))
	case policy.Limit:
		return append(all, Field{Key: key + ".max_restarts", Value: most(x.Max)},
			Field{Key: key + ".within", Value: short(x.Within)}, Field{Key: key + ".within_clock", Value: x.Clock.String()})
	case policy.Threshold:
		return append(all, Field{Key: key + ".unhealthy_threshold", Value: strconv.Itoa(x.Failures)},
			Field{Key: key + ".healthy_threshold", Value: strconv.Itoa(x.Successes)})
	case OnUnhealthy:
		if x.Action == UnhealthySignal {
			return add("signal " + SignalName(x.Signal))
		}
		return add(x.Action.String())
	case *uint32:
		if x == nil {
			return all
		}
		return add(fmt.Sprintf("%04o", *x))
	case time.Duration:
		if x == 0 {
			return all
		}
		return add(short(x))
	case fmt.Stringer:
		if v.Kind() == reflect.Slice && v.Len() == 0 || v.Kind() == reflect.Pointer && v.IsNil() {
			return all
		}
		return add(x.String())
	}
	return appendKind(all, v, key)
}

// appendKind appends a value that is nothing special.
func appendKind(all []Field, v reflect.Value, key string) []Field {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			at := key
			if name := v.Type().Field(i).Name; !flat[name] {
				at = join(key, fileKey(name))
			}
			all = appendFields(all, v.Field(i), at)
		}
		return all
	case reflect.Pointer:
		if v.IsNil() {
			return all
		}
		return appendFields(all, v.Elem(), key)
	case reflect.Bool:
		if !v.Bool() && key != "autostart" {
			return all
		}
	default:
		if v.IsZero() {
			return all
		}
	}
	value := fmt.Sprint(v.Interface())
	if n, err := strconv.Atoi(value); err == nil && strings.HasSuffix(key, "signal") {
		value = SignalName(n)
	}
	f := Field{Key: key, Value: value}
	if u, err := url.Parse(value); err == nil && strings.HasSuffix(key, ".url") {
		f.Value = u.Redacted()
		f.secret, _ = u.User.Password()
	}
	return append(all, f)
}

// flat are the fields whose parts stand beside them in the file.
var flat = map[string]bool{"Backoff": true, "Limit": true, "Probe": true, "Rights": true, "Threshold": true}

func most(n int) string {
	if n == policy.Unlimited {
		return "unlimited"
	}
	return strconv.Itoa(n)
}

func (s CapSet) words() string {
	var names []string
	for n, name := range capNames {
		if s.Has(n) {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}

// short writes a duration without the parts that are 0: "1h", "1m30s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func limit(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// words writes arguments as a shell would need them.
func words(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`|&;<>()*?[]#~!{}") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// fileKeys are the names of fields in configuration files, where they are not
// the same words.
var fileKeys = map[string]string{
	"Argv": "command", "Dir": "directory", "SuccessCodes": "success_exit_codes", "MaxSizeBytes": "max_size",
	"BlockOnFull": "block_on_full", "Checks": "health", "Curve": "strategy", "Initial": "initial_delay", "Max": "max_delay",
	"ReloadSignal": "reload.signal", "Steps": "signals", "DegradedCodes": "degraded_exit_codes", "HTTP": "http", "TCP": "tcp",
}

// fileKey returns the key of a field: "StderrFile" is stderr_file.
func fileKey(field string) string {
	if key, ok := fileKeys[field]; ok {
		return key
	}
	var b strings.Builder
	for i, r := range field {
		upper := r >= 'A' && r <= 'Z'
		before := i > 0 && field[i-1] >= 'a'
		after := i+1 < len(field) && field[i+1] >= 'a'
		if upper && i > 0 && (before || after) {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
