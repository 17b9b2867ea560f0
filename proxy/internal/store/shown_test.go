package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// TestShown reads what nodes are told: all of it but errors and bangs.
func TestShown(t *testing.T) {
	eachStore(t, func(t *testing.T, s *SQLite) {
		ensure(t, s, "c")
		require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
			c, err := tx.Computer("c")
			require.NoError(t, err)
			_, err = tx.InsertPartition(c, "free")
			require.NoError(t, err)
			busy, err := tx.InsertPartition(c, "busy")
			require.NoError(t, err)
			require.NoError(t, tx.ReplaceAddresses(busy, []Address{{Interface: "tap", Address: "::1", Netmask: "ffff::"}}))
			busy.Timestamp = 1
			require.NoError(t, tx.Occupy(busy, &Instance{Title: "i", Release: "r", Type: "t", State: "started", Parameters: "p"}))
			busy.Instance.Status = Status{Text: "#error failed", State: "started", Reporter: "c", CreatedAt: 2, Since: 1}
			busy.Instance.Error = Event{Text: "a long log", At: 3}
			busy.Instance.Bang = Event{Text: "bang", At: 4}
			require.NoError(t, tx.SaveStatus(busy, true))
			shared := &Shared{
				ComputerID: c.ID, Key: "_s", Host: busy.Instance.ID, State: "started", Listed: true, Position: 1, Entry: "e",
				Error: Event{Text: "another log", At: 5},
			}
			return tx.SaveShared(shared)
		}))
		require.NoError(t, s.View(t.Context(), func(r Reader) error {
			c, err := r.Computer("c")
			require.NoError(t, err)
			want, err := r.Partitions(c)
			require.NoError(t, err)
			require.Len(t, want, 2)
			require.NotEmpty(t, want[1].Instance.Error)
			want[1].Instance.Error, want[1].Instance.Bang = Event{}, Event{}
			require.Len(t, want[1].Shared, 1)
			want[1].Shared[0].Error = Event{}
			got, err := r.Shown(c)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
			return nil
		}))
	})
}
