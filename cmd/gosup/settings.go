package main

import (
	"os"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"gosup/config"
)

// settings layers what the command line and the environment say of the keys of
// `supervisor:`. It is the only place that knows viper, and it never holds a
// process: viper would lower-case its keys.
type settings struct {
	viper *viper.Viper
	flags *pflag.FlagSet
}

// newSettings gives each key of `supervisor:` a flag in flags and a variable.
func newSettings(flags *pflag.FlagSet) *settings {
	s := &settings{viper: viper.New(), flags: flags}
	for _, k := range config.SupervisorKeys() {
		name := flagName(k.Name)
		usage := strings.ReplaceAll(k.Doc, "`", "") // pflag would take what is in them for the value's name
		if k.Default != "" {
			usage += " Default: " + k.Default
		}
		flags.String(name, "", usage)
		// Neither can fail: the flag is there, and the key is not empty.
		_ = s.viper.BindPFlag(k.Name, flags.Lookup(name))
		_ = s.viper.BindEnv(k.Name, variableName(k.Name))
	}
	return s
}

// flagName makes --tls-client-ca of tls.client_ca.
func flagName(key string) string { return strings.NewReplacer("_", "-", ".", "-").Replace(key) }

// variableName makes GOSUP_TLS_CLIENT_CA of tls.client_ca.
func variableName(key string) string {
	return "GOSUP_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// lookup is config.Options.Settings.
func (s *settings) lookup(key string) (value, origin string, ok bool) {
	name := flagName(key)
	set := s.flags.Lookup(name) != nil && s.flags.Changed(name)
	if !set && !s.viper.IsSet(key) {
		return "", "", false
	}
	origin = "$" + variableName(key)
	if set {
		origin = "--" + name
	}
	return s.viper.GetString(key), origin, true
}

// options returns how configuration files are read by this command.
func (s *settings) options() config.Options {
	return config.Options{Env: lookupVariable, Settings: s.lookup, OnlyRoot: os.Geteuid() == 0}
}

// lookupVariable is os.LookupEnv with GOSUP_EXE, which every configuration can
// use for gosup itself.
func lookupVariable(name string) (string, bool) {
	if name == "GOSUP_EXE" {
		exe, err := os.Executable()
		return exe, err == nil
	}
	return os.LookupEnv(name)
}
