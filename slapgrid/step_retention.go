package slapgrid

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// recordRetention notes, at the first deployment, for how many days the
// partition must be kept after its destruction was asked for. Later wishes
// are ignored.
type recordRetention struct{}

func (recordRetention) name() string { return "record the retention delay" }

func (recordRetention) run(ctx context.Context, p *partition) error {
	if _, found, err := p.readNumber(ctx, retentionDelayFile); err != nil || found {
		return err
	}
	text, ok := p.slap.Filter().String("retention_delay")
	days, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if !ok {
		days = 0
	} else if err != nil || math.IsNaN(days) || math.IsInf(days, 0) {
		p.log.WarnContext(ctx, fmt.Sprintf("Retention delay value (%s) is not valid, ignoring.", text))
		days = 0
	}
	return p.writeRetention(retentionDelayFile, min(days, longestDelay))
}

// writeRetention writes a number for the owner of the software root, so that
// the partition cannot change it through the file.
func (p *partition) writeRetention(name string, value float64) error {
	owner, err := child.Owner(p.node.cfg.SoftwareRoot)
	if err != nil {
		return err
	}
	files := confined.Dir{Root: p.files.Root, Owner: confined.Owner{UID: owner.UID, GID: owner.GID}}
	return files.Write(name, []byte(pythonFloat(value)), 0o644, true)
}

// pythonFloat prints a number as Python does: always with a point or exponent.
func pythonFloat(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
