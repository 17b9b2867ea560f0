package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// TestBodyIsBuiltOncePerVersion reads with many callers at a time: between two
// changes the store is read once, and whoever reads after a change sees it.
func TestBodyIsBuiltOncePerVersion(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	m, key := s.master, cacheKey{computer: DefaultComputerID}
	var builds atomic.Int64
	build := func(r store.Reader) (any, error) {
		builds.Add(1)
		c, err := r.Computer(DefaultComputerID)
		if err != nil {
			return nil, err
		}
		software, err := r.Software(c)
		return len(software), err
	}
	const changes, callers = 5, 32
	for i := range changes {
		require.NoError(t, m.supply(t.Context(), Principal{}, fmt.Sprint("http://release.example/", i), DefaultComputerID, "available"))
		want, err := marshal.Marshal(i + 1)
		require.NoError(t, err)
		bodies := make([][]byte, callers)
		var group sync.WaitGroup
		for n := range callers {
			group.Go(func() {
				body, err := m.body(context.Background(), key, build)
				if err == nil {
					bodies[n] = body
				}
			})
		}
		group.Wait()
		for _, body := range bodies {
			require.Equal(t, string(want), string(body))
		}
	}
	require.EqualValues(t, changes, builds.Load())
}

// TestBodyOfACallerThatLeft finishes what others may wait for, and keeps no
// failure.
func TestBodyOfACallerThatLeft(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	key := cacheKey{computer: DefaultComputerID}
	failure := errors.New("read failed")
	_, err = s.master.body(t.Context(), key, func(store.Reader) (any, error) { return nil, failure })
	require.ErrorIs(t, err, failure)
	left, leave := context.WithCancel(t.Context())
	leave()
	body, err := s.master.body(left, key, func(store.Reader) (any, error) { return "text", nil })
	require.NoError(t, err)
	require.Equal(t, "<marshal><string>text</string></marshal>", string(body))
}

// TestMarshalBody marshals bodies of different sizes: what is kept is the document,
// in little more memory than it needs.
func TestMarshalBody(t *testing.T) {
	for _, size := range []int{1, 5000, 1 << 20} {
		value := fmt.Sprintf("%0*d", size, size)
		body, err := marshalBody(value)
		require.NoError(t, err)
		want, err := marshal.Marshal(value)
		require.NoError(t, err)
		require.True(t, string(want) == string(body), "of %d", size)
		require.LessOrEqual(t, cap(body), len(body)+len(body)/16+64)
	}
	_, err := marshalBody(struct{}{})
	require.Error(t, err)
}
