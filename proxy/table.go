package proxy

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is printed with centred columns and no vertical lines.
type table struct {
	name, skipped string
	// plain drops the version from the name: the reference has no such table.
	plain   bool
	columns []string
	// rows hold texts, numbers and nulls.
	rows [][]any
}

func (t *table) add(cells ...any) { t.rows = append(t.rows, cells) }

// objects are the rows by column.
func (t *table) objects() []map[string]any {
	out := []map[string]any{}
	for _, row := range t.rows {
		o := map[string]any{}
		for i, column := range t.columns {
			o[column] = row[i]
		}
		out = append(out, o)
	}
	return out
}

// cells are the texts of a row: null is a dash, and no cell has two lines.
func cells(row []any) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = "-"
		if cell != nil {
			out[i] = strings.ReplaceAll(fmt.Sprint(cell), "\n", " ")
		}
	}
	return out
}

func (t *table) print(w io.Writer) error {
	name := t.name
	if !t.plain {
		name += shownSchema
	}
	switch {
	case len(t.rows) == 0:
		fmt.Fprintf(w, "table %s: empty\n", name)
		return nil
	case t.skipped != "":
		fmt.Fprintf(w, "table %s: skipping %s\n", name, t.skipped)
	default:
		fmt.Fprintf(w, "table %s\n", name)
	}
	rows := make([][]string, len(t.rows))
	for i, row := range t.rows {
		rows[i] = cells(row)
	}
	widths := make([]int, len(t.columns))
	total := len(t.columns) + 1
	for i, column := range t.columns {
		widths[i] = utf8.RuneCountInString(column)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	rule := strings.Repeat("-", total)
	fmt.Fprintf(w, "%s\n%s\n%s\n", rule, line(t.columns, widths), rule)
	for _, row := range rows {
		fmt.Fprintln(w, line(row, widths))
	}
	_, err := fmt.Fprintln(w, rule)
	return err
}

func line(cells []string, widths []int) string {
	var b strings.Builder
	b.WriteByte(' ')
	for i, cell := range cells {
		left, right := margins(utf8.RuneCountInString(cell), widths[i])
		b.WriteString(strings.Repeat(" ", left) + cell + strings.Repeat(" ", right) + " ")
	}
	return b.String()
}

// margins centres a text; of an odd number of blanks the larger part goes to
// the right of a text of odd length, to the left of one of even length.
func margins(length, width int) (left, right int) {
	spare := width - length
	left = spare / 2
	if spare%2 == 1 && length%2 == 0 {
		left++
	}
	return left, spare - left
}
