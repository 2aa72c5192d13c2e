package procman

import (
	"context"

	"gosup/logs"
	"gosup/spec"
	"gosup/tree"
)

// Source returns where the output of a process goes, for ReadOutput.
func (m *Manager) Source(n *tree.Node) logs.Source {
	return logs.Source{Name: n.Name, Logs: m.resolve(n.Process.Logs)}
}

// ReadOutput hands to emit what processes have written, see logs.Pump.Read.
func (m *Manager) ReadOutput(ctx context.Context, from []logs.Source, q logs.Query, emit func(logs.Record) error) error {
	return m.opt.Pump.Read(ctx, from, q, emit)
}

// Descriptors returns what a process is handed at its start beside its standard
// streams, as things are now.
func (m *Manager) Descriptors(p *spec.Process) []tree.Descriptor {
	if o, ok := m.crew.(*outfitter); ok {
		return o.descriptors.list(p)
	}
	return nil
}

// Output returns what has been carried of the output of a process.
func (m *Manager) Output(n *tree.Node) logs.Stats { return m.opt.Pump.Stats(n.Name) }

// resolve replaces OutputAuto by what it means here.
func (m *Manager) resolve(l spec.Logs) spec.Logs {
	if l.Output == spec.OutputAuto {
		l.Output = m.opt.Output
	}
	return l
}
