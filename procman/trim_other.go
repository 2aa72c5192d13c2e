//go:build !linux

package procman

func dropCode() {}
