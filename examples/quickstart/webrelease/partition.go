package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/slap"
)

// instantiate deploys the partition that the environment describes.
func instantiate(ctx context.Context, environ []string) error {
	_, self, err := slap.PartitionFromEnvironment(ctx, environ)
	if err != nil {
		return err
	}
	p, err := currentPartition()
	if err != nil {
		return err
	}
	kind, err := self.Type()
	if err != nil {
		return err
	}
	if kind == "web" {
		return deployWeb(ctx, self, p)
	}
	return deployRoot(ctx, self, p)
}

// partition is the directory this program deploys into.
type partition struct {
	dir     string // of the partition
	program string // this program, which services and promises call
}

// currentPartition is where the agent starts this program.
func currentPartition() (*partition, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &partition{dir: dir, program: program}, nil
}

// writeScript writes an executable shell script, unless it is there already:
// a service whose script does not change is not disturbed.
func (p *partition) writeScript(name, command string) error {
	return p.writeFile(name, "#!/bin/sh\n"+command+"\n", 0o700)
}

func (p *partition) writeFile(name, content string, mode os.FileMode) error {
	path := filepath.Join(p.dir, name)
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	temporary := filepath.Join(p.dir, ".new-"+filepath.Base(name))
	if err := os.WriteFile(temporary, []byte(content), mode); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return os.Rename(temporary, path)
}

// quote makes one word of the shell.
func quote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
