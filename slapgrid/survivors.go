package slapgrid

import (
	"context"
	"fmt"
	"strings"
)

// endSurvivors ends what is left of the programs of passes that were killed:
// builds go on without the agent. It comes before a pass looks at any
// directory. Programs of agents that live are left alone, as reports may be
// collected while partitions are processed.
func (n *Node) endSurvivors(ctx context.Context) (err error) {
	if n.survivors, err = n.ledger.EndSurvivors(ctx); err != nil {
		return fmt.Errorf("look for what is left of earlier passes: %w", err)
	}
	return nil
}

// checkAlone refuses to work in a directory beside what is left of an earlier
// pass and cannot be ended.
func (n *Node) checkAlone(dir string) error {
	for _, s := range n.survivors {
		if s.Dir == dir || strings.HasPrefix(s.Dir, dir+"/") {
			return fmt.Errorf("a pass that was killed left programs in %s that cannot be ended: processes %v (end them and run the pass again)", dir, s.PIDs)
		}
	}
	return nil
}
