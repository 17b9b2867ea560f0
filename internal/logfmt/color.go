package logfmt

import (
	"bytes"
	"log/slog"
)

// Colours by their ANSI number.
const (
	plain  = -1
	black  = 0
	red    = 1
	green  = 2
	yellow = 3
	blue   = 4
)

// paint writes text, in colour if asked.
func paint(b *bytes.Buffer, on bool, color int, bold bool, text string) {
	if !on {
		b.WriteString(text)
		return
	}
	weight := byte('0')
	if bold {
		weight = '1'
	}
	b.WriteString("\x1b[")
	b.WriteByte(weight)
	b.WriteString(";3")
	b.WriteByte(byte('0' + color))
	b.WriteByte('m')
	b.WriteString(text)
	b.WriteString("\x1b[0m")
}

// messageColor is the colour of a message of this level.
func messageColor(l slog.Level) (color int, bold bool) {
	switch {
	case l >= LevelCritical:
		return red, true
	case l >= slog.LevelError:
		return red, false
	case l >= slog.LevelWarn:
		return yellow, false
	case l >= slog.LevelInfo:
		return plain, false
	default:
		return green, false
	}
}
