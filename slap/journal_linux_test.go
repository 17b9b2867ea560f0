package slap

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRequestJournalThatIsAPipe neither stops a program nor gets what belongs in
// the journal.
func TestRequestJournalThatIsAPipe(t *testing.T) {
	root := t.TempDir()
	pipe := filepath.Join(root, "p", journalPrefix+"p")
	require.NoError(t, os.Mkdir(filepath.Dir(pipe), 0o755))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	c := client(t, "http://127.0.0.1:1/", WithRequestJournal(root))
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.PartitionReference("c", "p")
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("waits for a reader")
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	<-done
	require.ErrorContains(t, c.journal("p", "reference\n"), "no regular file")
}
