package slap

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// journalPrefix is the beginning of the name of a request journal.
const journalPrefix = ".slapos-request-transaction-"

// journalCreate makes the request journal of a partition, empty, if it does not
// exist.
func (c *Client) journalCreate(partitionID string) {
	if c.journalRoot == "" || partitionID == "" {
		return
	}
	// Compat: the reference makes the file for every partition it hears of,
	// if it may write there, and is silent if it may not.
	if err := c.journal(partitionID, ""); err != nil {
		c.log.Debug("no request journal", "partition", partitionID, "error", err)
	}
}

// journalAppend notes in the journal of a partition that it requests an
// instance.
func (c *Client) journalAppend(ctx context.Context, partitionID, reference string) {
	if c.journalRoot == "" || partitionID == "" {
		return
	}
	if err := c.journal(partitionID, reference+"\n"); err != nil {
		c.log.WarnContext(ctx, "request not noted in the journal", "partition", partitionID, "error", err)
	}
}

// journal appends to the journal of a partition. It never leaves the directory
// of the partition.
func (c *Client) journal(partitionID, text string) (err error) {
	if strings.ContainsAny(partitionID, `/\`) || partitionID == "." || partitionID == ".." {
		return fmt.Errorf("partition identifier %q is no directory name", partitionID)
	}
	root, err := os.OpenRoot(c.journalRoot)
	if err != nil {
		return err
	}
	defer root.Close()
	partition, err := root.OpenRoot(partitionID)
	if err != nil {
		return err
	}
	defer partition.Close()
	// Without waiting: what is there may be a pipe that nobody reads.
	file, err := partition.OpenFile(journalPrefix+partitionID, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if closing := file.Close(); err == nil {
			err = closing
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", file.Name())
	}
	_, err = file.WriteString(text)
	return err
}
