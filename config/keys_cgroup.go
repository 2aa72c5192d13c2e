package config

import (
	"gosup/spec"
)

// The least that a limit of a cgroup may be: less starts nothing.
const (
	minMemoryMax = 1 << 20
	minCPUMax    = 0.01
	maxCPUMax    = 100_000
)

func cgroupTable() table[spec.Cgroup] {
	return table[spec.Cgroup]{
		name: "cgroup",
		doc:  "What the cgroup of a process may use, see cgroups(7). What is not named is not limited.",
		keys: []key[spec.Cgroup]{
			{
				name: "memory_max", kind: sizeKind(), aka: []string{"memory", "memorymax", "mem_limit", "memory_limit"},
				doc: "Memory; above it, the kernel kills something in the cgroup.",
				set: func(r *reader, n node, to *spec.Cgroup) {
					v, ok := r.size(n)
					switch {
					case ok && v < minMemoryMax:
						r.problem(n.at, "is "+n.describe()+" and must be at least 1MiB", "remove the key for no limit")
					case ok:
						to.MemoryMaxBytes = v
					}
				},
			},
			{
				name: "cpu_max", kind: floatKind(minCPUMax, maxCPUMax), aka: []string{"cpu", "cpus", "cpuquota", "cpu_limit"},
				doc: "Time on CPUs: 1.5 is that of one and a half.",
				set: func(r *reader, n node, to *spec.Cgroup) {
					if v, ok := r.float(n, minCPUMax, maxCPUMax); ok {
						to.CPUMax = v
					}
				},
			},
			intKey("pids_max", "", "Processes and threads.", 1, maxPids, func(c *spec.Cgroup) *int { return &c.PidsMax }),
		},
	}
}

// maxPids is PID_MAX_LIMIT of a 64-bit kernel.
const maxPids = 1 << 22
