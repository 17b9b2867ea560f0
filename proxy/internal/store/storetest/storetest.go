// Package storetest holds the tests that every implementation of [store.Store]
// passes.
package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Opener opens a store that is empty, and closes it when the test ends; the test
// may have closed it before.
type Opener func(t *testing.T) store.Store

// Run runs the tests.
func Run(t *testing.T, open Opener) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"UpdateIsAllOrNothing", updateIsAllOrNothing},
		{"PanicOfOneUpdate", panicOfOneUpdate},
		{"SharedCommits", sharedCommits},
		{"EndedContextDoesNothing", endedContextDoesNothing},
		{"Closed", closed},
		{"Versions", versions},
		{"FreedPartitionLeavesNothing", freedPartitionLeavesNothing},
		{"UsageReportsAreKeptOnce", usageReportsAreKeptOnce},
		{"Shown", shown},
		{"Hidden", hidden},
		{"Prune", prune},
		{"ForwardedAndSettings", forwardedAndSettings},
		{"FrontEnds", frontEnds},
		{"WhatIsWrittenIsRead", whatIsWrittenIsRead},
		{"Order", order},
		{"LookUps", lookUps},
		{"RenamedTree", renamedTree},
		{"Lists", lists},
		{"Services", services},
		{"Unlinked", unlinked},
		{"Problems", problems},
		{"PartsOfChangedLists", partsOfChangedLists},
		{"SearchOfManyRows", searchOfManyRows},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

func ensure(t *testing.T, s store.Store, reference string) {
	t.Helper()
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.EnsureComputer(reference)
		return err
	}))
}

func references(t *testing.T, s store.Store) (out []string) {
	t.Helper()
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		computers, err := r.Computers()
		for _, c := range computers {
			out = append(out, c.Reference)
		}
		return err
	}))
	return out
}
