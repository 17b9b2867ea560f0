package slap

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaitReady(t *testing.T) {
	tries := 0
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		connection := map[string]any{}
		switch tries {
		case 1:
			http.Error(w, "", http.StatusRequestTimeout)
			return
		case 3:
			connection["url"] = "U"
		}
		fmt.Fprint(w, instance(map[string]any{
			"slap_computer_id": "C", "slap_computer_partition_id": "P", "_connection_dict": connection,
		}))
	}))
	quickly := Interval(time.Millisecond, 2*time.Millisecond)
	p, err := WaitConnectionParameters(context60(t), c.OpenOrder(), Request{SoftwareRelease: "sr", Reference: "ref"}, []string{"url"}, quickly)
	require.NoError(t, err)
	require.Equal(t, 3, tries)
	require.Equal(t, Parameters{"url": "U"}, p.ConnectionParameters())
}

func TestWaitReadyEnds(t *testing.T) {
	refused := client(t, serve(t, http.NotFound))
	_, err := WaitConnectionParameters(context60(t), refused.OpenOrder(), Request{}, []string{"url"})
	require.ErrorIs(t, err, ErrNotFound, "no free partition is not waited for")

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		var at []time.Time
		_, err := WaitReady(ctx, func(context.Context) (int, error) {
			at = append(at, time.Now())
			return 0, notReady("x", "not yet")
		})
		require.ErrorIs(t, err, ErrNotReady)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Greater(t, len(at), 6)
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1])
			most := min(30*time.Second, time.Second<<(i-1))
			require.LessOrEqual(t, pause, most)
			require.GreaterOrEqual(t, pause, most/2)
		}
	})
}
