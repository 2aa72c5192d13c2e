package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gosup/spec"
)

// rights is as whom a process runs, and within which limits, while it is read.
type rights struct {
	spec.Rights // without its User
	user        identity
	group       identity
	limits      []limit
	keep        *spec.CapSet // nil where the file sets none
	ambient     spec.CapSet
	ambientAt   place
}

// identity is a user or a group as the file has it; "" for none.
type identity struct {
	text string
	at   place
}

// limit is one entry of limits.
type limit struct {
	spec.Limit
	at place
}

// rightsKeys are the rows of a process that are about its rights.
func rightsKeys() []key[process] {
	return lift([]key[rights]{
		identityKey("user", "The user that it runs as, a name or number, with the groups that user is in. `$HOME`, `$USER`, `$LOGNAME`"+
			" and `$SHELL` are set. Empty: gosup's own.", []string{"uid", "username", "runas", "run_as"},
			func(t *rights) *identity { return &t.user }),
		identityKey("group", "The group that it runs as, a name or number. Empty: that of its user.", []string{"gid", "groupname"},
			func(t *rights) *identity { return &t.group }),
		{
			name: "umask", kind: modeKind(), doc: "Which permissions are taken from the files that it makes, in octal. Default: gosup's own.",
			set: func(r *reader, n node, to *rights) {
				if v, ok := r.mode(n, "022"); ok {
					to.Umask = &v
				}
			},
		},
		{
			name: "limits", kind: limitsKind(), def: "{}", aka: []string{"rlimits", "ulimits", "rlimit", "ulimit"},
			doc: "Resource limits, see getrlimit(2): `soft`, which is the hard limit too, or `soft:hard`. Sizes may have a unit.",
			set: func(r *reader, n node, to *rights) { r.limits(n, to) },
		},
		pointerKey("nice", "Its priority, from -20 (high) to 19 (low). Default: gosup's own.", -20, 19,
			func(t *rights) **int { return &t.Nice }),
		pointerKey("oom_score_adj", "How soon it is killed when memory is short, from -1000 (never) to 1000 (first). Default: gosup's own.",
			-1000, 1000, func(t *rights) **int { return &t.OOMScoreAdj }),
		boolKey("no_new_privileges", "false", "Nothing that it executes gets more rights, as by setuid programs.",
			func(t *rights) *bool { return &t.NoNewPrivileges }),
		{
			name: "capabilities", kind: mappingKind("capabilities"), aka: []string{"caps", "capability", "cap_add", "cap_drop"},
			doc: "What it may do of what root may.",
			set: func(r *reader, n node, to *rights) { r.tables.capabilities.read(r, n, to, nil) },
		},
	}, func(p *process) *rights { return &p.rights })
}

func capabilitiesTable() table[rights] {
	return table[rights]{
		name: "capabilities",
		doc:  "The capabilities of a process, by name with or without CAP_, see capabilities(7).",
		keys: []key[rights]{
			{
				name: "keep", kind: listKind("list of capabilities", &subschema{Type: types{"string"}}), aka: []string{"bounding", "allow"},
				doc: "All that it, and what it executes, can ever have. An empty list: none. Without this key they are left as they are.",
				set: func(r *reader, n node, to *rights) {
					if v, ok := r.capSet(n); ok {
						to.keep = &v
					}
				},
			},
			{
				name: "ambient", kind: listKind("list of capabilities", &subschema{Type: types{"string"}}), def: "[]", aka: []string{"add", "grant"},
				doc: "What it has though its user is not root.",
				set: func(r *reader, n node, to *rights) {
					if v, ok := r.capSet(n); ok {
						to.ambient, to.ambientAt = v, n.at
					}
				},
			},
		},
	}
}

func identityKey[T any](name, doc string, aka []string, field func(*T) *identity) key[T] {
	k := literalKind("name or number", &subschema{Type: types{"string", "integer"}})
	return key[T]{name: name, kind: k, doc: doc, aka: aka, set: func(r *reader, n node, to *T) {
		if v, ok := r.identity(n); ok {
			*field(to) = v
		}
	}}
}

// identity returns what names a user or a group.
func (r *reader) identity(n node) (identity, bool) {
	f := form{"a name or number", `write "" for none`}
	s, ok := r.scalar(n, f)
	if ok && !s.is("!!str", "!!int") {
		r.wrong(n, f)
		return identity{}, false
	}
	return identity{s.text, n.at}, ok
}

// pointerKey is a number that is left alone unless it is given.
func pointerKey[T any](name, doc string, lo, hi int, field func(*T) **int) key[T] {
	return key[T]{name: name, kind: intKind(lo, hi), doc: doc, set: func(r *reader, n node, to *T) {
		if v, ok := r.integer(n, lo, hi); ok {
			*field(to) = &v
		}
	}}
}

func limitsKind() kind {
	zero := 0.0
	value := orExpanded(&subschema{AnyOf: []*subschema{
		{Type: types{"string"}, Pattern: `^[^:]+(:[^:]+)?$`}, {Type: types{"integer"}, Minimum: &zero},
	}})
	k := namesKind("mapping of resources to soft or soft:hard", "", value, "")
	k.schema.PropertyNames = &subschema{Enum: spec.LimitNames()}
	return k
}

// limits reads limits over those of a lower layer.
func (r *reader) limits(n node, to *rights) {
	all := slices.Clone(to.limits)
	for _, p := range r.pairs(n, form{"a mapping of resources", "such as {nofile: 65536, core: 0}"}) {
		if !slices.Contains(spec.LimitNames(), p.key) {
			hint := "one of " + oneOf(spec.LimitNames())
			if near := nearest(strings.TrimPrefix(strings.ToLower(p.key), "rlimit_"), spec.LimitNames()); near != "" {
				hint = "did you mean " + near + "?"
			}
			r.problem(p.at, "is no resource that can be limited", hint)
			continue
		}
		l, ok := r.limit(p.key, p.value)
		if !ok {
			continue
		}
		all = slices.DeleteFunc(all, func(l limit) bool { return l.Resource == p.key })
		all = append(all, limit{l, p.value.at})
	}
	to.limits = all
}

// limit reads one limit.
func (r *reader) limit(resource string, n node) (spec.Limit, bool) {
	f := form{"a limit", "such as 1024, 1024:4096 or unlimited"}
	if slices.Contains(byteLimits(), resource) {
		f.hint = "such as 64MiB, 64MiB:1GiB or unlimited"
	}
	s, ok := r.scalar(n, f)
	if !ok {
		return spec.Limit{}, false
	}
	soft, hard, both := strings.Cut(s.text, ":")
	if !both {
		hard = soft
	}
	v := spec.Limit{Resource: resource}
	var ok2 bool
	v.Soft, ok = limitSize(resource, soft)
	v.Hard, ok2 = limitSize(resource, hard)
	switch {
	case !ok || !ok2:
		r.wrong(n, f)
		return v, false
	case v.Soft > v.Hard:
		r.problem(n.at, "is "+n.describe()+", and the soft limit may not be above the hard one", "write soft:hard")
		return v, false
	}
	return v, true
}

// byteLimits are the resources that are measured in bytes.
func byteLimits() []string {
	return []string{"as", "core", "data", "fsize", "memlock", "msgqueue", "rss", "stack"}
}

func limitSize(resource, text string) (uint64, bool) {
	text = strings.TrimSpace(text)
	if text == "unlimited" || text == "infinity" {
		return spec.Unlimited, true
	}
	if slices.Contains(byteLimits(), resource) {
		v, ok := parseSize(text)
		return uint64(v), ok
	}
	v, err := strconv.ParseUint(text, 10, 63)
	return v, err == nil
}

// capSet reads a list of capabilities.
func (r *reader) capSet(n node) (spec.CapSet, bool) {
	items, ok := r.items(n, form{"a list of capabilities", "such as [NET_BIND_SERVICE]"})
	if !ok {
		return 0, false
	}
	names := spec.CapNames()
	var set spec.CapSet
	for _, item := range items {
		f := form{"a capability", "such as NET_BIND_SERVICE"}
		s, ok := r.str(item, f)
		if !ok {
			continue
		}
		i := slices.Index(names, strings.TrimPrefix(strings.ToUpper(s), "CAP_"))
		if i >= 0 {
			set |= 1 << i
			continue
		}
		var lower []string
		for _, name := range names {
			lower = append(lower, strings.ToLower(name))
		}
		if near := nearest(strings.TrimPrefix(strings.ToLower(s), "cap_"), lower); near != "" {
			f.hint = "did you mean " + strings.ToUpper(near) + "?"
		}
		r.wrong(item, f)
	}
	return set, true
}

// rights returns the rights of a process.
func (r *reader) rights(t *rights) spec.Rights {
	out := t.Rights
	out.User = r.user(t)
	for _, l := range t.limits {
		out.Limits = append(out.Limits, l.Limit)
	}
	// Their order means nothing: two that differ in it alone are equal.
	slices.SortFunc(out.Limits, func(a, b spec.Limit) int { return cmp.Compare(a.Resource, b.Resource) })
	if t.keep != nil || t.ambient != 0 {
		c := &spec.Capabilities{Ambient: t.ambient}
		if t.keep != nil {
			c.Limited, c.Keep = true, *t.keep
		}
		for i, name := range spec.CapNames() {
			if c.Limited && c.Ambient.Has(i) && !c.Keep.Has(i) {
				r.problem(t.ambientAt, "has "+name+", which is not in keep", "add it there, or remove it here")
			}
		}
		out.Capabilities = c
	}
	return out
}

// user returns the account that a process runs as; nil for gosup's own.
func (r *reader) user(t *rights) *spec.User {
	if t.user.text == "" && t.group.text == "" {
		return nil
	}
	if r.accounts == nil {
		r.accounts = readAccounts()
	}
	a := r.accounts
	u := a.own()
	if t.user.text != "" {
		found, ok := a.user(t.user.text)
		switch {
		case !ok:
			r.unknownAccount(t.user, "user", a.userNames(), a.userErr)
			return nil
		case found.Name == "" && t.group.text == "":
			r.problem(t.user.at, "is a number that no account has, so its group is not known", "set group, too")
			return nil
		}
		u = found
	}
	if t.group.text != "" {
		gid, ok := a.group(t.group.text)
		if !ok {
			r.unknownAccount(t.group, "group", a.groupNames(), a.groupErr)
			return nil
		}
		u.GID = gid
	}
	if t.user.text != "" {
		u.Groups = a.groupsOf(u.Name, u.GID)
	}
	return &u
}

func (r *reader) unknownAccount(i identity, what string, names []string, err error) {
	switch near := nearest(i.text, names); {
	case err != nil:
		r.problem(i.at, fmt.Sprintf("names the %s %q, which cannot be looked up: %s", what, i.text, reason(err)), "write its number")
	case near != "":
		r.problem(i.at, fmt.Sprintf("names no %s of this machine: %q", what, i.text), "did you mean "+near+"?")
	default:
		r.problem(i.at, fmt.Sprintf("names no %s of this machine: %q", what, i.text), "create it, or correct the name")
	}
}

// accountNumber returns the number that a text is. The highest one means "no
// change" to the kernel (setresuid(2)).
func accountNumber(text string) (uint32, bool) {
	v, err := strconv.ParseUint(text, 10, 32)
	return uint32(v), err == nil && v != math.MaxUint32
}
