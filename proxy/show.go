package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // names software directories, no secret
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// ShowOptions chooses what Show prints. With none of the first six set, all six
// are printed, in this order.
type ShowOptions struct {
	Computers, Software, Partitions, Slaves, Params, Network bool
	// Usage prints the accepted usage reports, Status the last reports,
	// errors and bangs of computers, releases and instances. The reference
	// has neither.
	Usage, Status bool
}

// shownSchema is the version in the table names that Show prints: that of the
// reference's newest schema, whose columns it shows.
const shownSchema = "18"

// Show prints the state in a database as the reference's command does. It
// changes nothing and may run while a proxy serves the database. A file that
// does not exist is an error (errors.Is os.ErrNotExist), and is not created.
func Show(ctx context.Context, w io.Writer, databasePath string, o ShowOptions) error {
	v, err := store.OpenViewer(ctx, databasePath)
	if err != nil {
		return fmt.Errorf("proxy: show: %w", err)
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "Using database: %s\n", databasePath)
	err = v.View(ctx, func(r store.Reader) error { return show(out, r, o) })
	if err != nil {
		err = fmt.Errorf("proxy: show: %w", err)
	}
	return errors.Join(err, out.Flush(), v.Close())
}

func show(w io.Writer, r store.Reader, o ShowOptions) error {
	all := !o.Computers && !o.Software && !o.Partitions && !o.Slaves && !o.Params && !o.Network && !o.Usage && !o.Status
	blocks := []struct {
		wanted bool
		print  func(io.Writer, *shownState) error
	}{
		{all || o.Computers, showComputers},
		{all || o.Software, showSoftware},
		{all || o.Partitions, showPartitions},
		{all || o.Slaves, showShared},
		{all || o.Params, showParams},
		{all || o.Network, showNetwork},
		{o.Usage, showUsage},
		{o.Status, showStatus},
	}
	state, err := readShown(r)
	if err != nil {
		return err
	}
	first := true
	for _, block := range blocks {
		if !block.wanted {
			continue
		}
		if !first {
			fmt.Fprintln(w, " ")
		}
		first = false
		if err := block.print(w, state); err != nil {
			return err
		}
	}
	return nil
}

// shownState is all that is printed.
type shownState struct {
	computers []*store.Computer
	software  []*store.Software
	busy      []*store.Partition
	shared    []*store.Shared
	usage     []*store.UsageReport
}

func readShown(r store.Reader) (*shownState, error) {
	computers, err := r.Computers()
	if err != nil {
		return nil, err
	}
	s := &shownState{}
	for _, c := range computers {
		if c.Formatted {
			s.computers = append(s.computers, c)
		}
		software, err := r.Software(c)
		if err != nil {
			return nil, err
		}
		s.software = append(s.software, software...)
		partitions, err := r.Partitions(c)
		if err != nil {
			return nil, err
		}
		for _, p := range partitions {
			if p.Instance != nil {
				s.busy = append(s.busy, p)
			}
		}
	}
	// The reference prints in the order in which rows were made.
	slices.SortFunc(s.software, func(a, b *store.Software) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.busy, func(a, b *store.Partition) int { return cmp.Compare(a.ID, b.ID) })
	if s.shared, err = r.AllShared(); err != nil {
		return nil, err
	}
	s.usage, err = r.UsageReports(nil)
	return s, err
}

func showComputers(w io.Writer, s *shownState) error {
	t := table{name: "computer", columns: []string{"reference", "address", "netmask"}}
	for _, c := range s.computers {
		t.add(c.Reference, c.Address, c.Netmask)
	}
	return t.print(w)
}

func showSoftware(w io.Writer, s *shownState) error {
	t := table{name: "software", columns: []string{"url", "computer_reference", "requested_state", "md5"}}
	for _, s := range s.software {
		sum := md5.Sum([]byte(s.URL)) //nolint:gosec // see above
		t.add(s.URL, s.Computer, s.State, hex.EncodeToString(sum[:]))
	}
	return t.print(w)
}

func showPartitions(w io.Writer, s *shownState) error {
	t := table{
		name: "partition", skipped: "xml, connection_xml, slave_instance_list",
		columns: []string{
			"reference", "computer_reference", "slap_state", "software_release", "software_type",
			"partition_reference", "requested_by", "requester_id", "requested_state", "timestamp",
		},
	}
	for _, p := range s.busy {
		i := p.Instance
		t.add(p.Reference, p.Computer, "busy", i.Release, i.Type, cmp.Or(i.Title, "-"), i.Tree,
			requesterName(i.RequesterPartition), i.State, marshal.FloatText(p.Timestamp))
	}
	return t.print(w)
}

func showShared(w io.Writer, s *shownState) error {
	t := table{
		name: "slave", skipped: "connection_xml",
		columns: []string{"reference", "computer_reference", "hosted_by", "requester_id"},
	}
	for _, s := range s.shared {
		t.add(s.Key, s.Computer, s.HostPartition, requesterName(s.RequesterPartition))
	}
	return t.print(w)
}

// keyEnd is how many characters are shown of each end of a key.
const keyEnd = 20

func showParams(w io.Writer, s *shownState) error {
	for _, p := range s.busy {
		i := p.Instance
		if i.Connection == "" {
			continue
		}
		parameters, err := instancexml.Decode(i.Connection)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %s (type %s)\n", p.Reference, cmp.Or(i.Title, "None"), i.Type)
		for _, name := range slices.Sorted(maps.Keys(parameters)) {
			fmt.Fprintf(w, "    %s = %s\n", name, shownParameter(name, marshal.Str(parameters[name])))
		}
	}
	return nil
}

// shownParameter shortens keys of SSH and indents JSON.
func shownParameter(name, value string) string {
	runes := []rune(value)
	switch {
	case name == "_":
		return indented(value)
	case (name == "ssh-key" || name == "ssh-public-key") && len(runes) > 2*keyEnd:
		return string(runes[:keyEnd]) + "..." + string(runes[len(runes)-keyEnd:])
	}
	return value
}

// indented writes JSON with sorted keys on several lines; other text stays.
func indented(value string) string {
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return value
	}
	return strings.TrimSuffix(string(toASCII(b.Bytes())), "\n")
}

func showNetwork(w io.Writer, s *shownState) error {
	addresses := map[string][]string{}
	for _, p := range s.busy {
		for _, a := range p.Addresses {
			addresses[p.Reference] = append(addresses[p.Reference], a.Address)
		}
	}
	for _, reference := range slices.Sorted(maps.Keys(addresses)) {
		fmt.Fprintf(w, "%s: %s\n", reference, strings.Join(addresses[reference], ", "))
	}
	return nil
}

func showUsage(w io.Writer, s *shownState) error {
	for _, u := range s.usage {
		received := time.UnixMicro(int64(u.ReceivedAt * 1e6)).UTC().Format(time.RFC3339)
		fmt.Fprintf(w, "usage of %s: reference %q, version %d, received %s\n%s\n",
			u.Computer, u.Reference, u.Version, received, strings.TrimRight(u.Body, "\n"))
	}
	if len(s.usage) == 0 {
		fmt.Fprintln(w, "usage: none")
	}
	return nil
}

func showStatus(w io.Writer, s *shownState) error {
	t := table{name: "status", plain: true, columns: []string{"object", "text", "reported", "since", "last error", "last bang"}}
	add := func(object string, st store.Status, failed, bang store.Event) {
		t.add(object, cmp.Or(st.Text, "-"), shownTime(st.CreatedAt), shownTime(st.Since), shownTime(failed.At), shownTime(bang.At))
	}
	for _, c := range s.computers {
		add(c.Reference, c.Status, store.Event{}, c.Bang)
	}
	for _, r := range s.software {
		add(r.Computer+" "+r.URL, r.Status, r.Error, store.Event{})
	}
	for _, p := range s.busy {
		add(guid(p.Computer, p.Reference), p.Instance.Status, p.Instance.Error, p.Instance.Bang)
	}
	return t.print(w)
}

func shownTime(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC().Format(time.RFC3339)
}

// table is printed with centred columns and no vertical lines.
type table struct {
	name, skipped string
	// plain drops the version from the name: the reference has no such table.
	plain   bool
	columns []string
	rows    [][]string
}

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "\n", " ")
	}
	t.rows = append(t.rows, cells)
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
	widths := make([]int, len(t.columns))
	total := len(t.columns) + 1
	for i, column := range t.columns {
		widths[i] = utf8.RuneCountInString(column)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	rule := strings.Repeat("-", total)
	fmt.Fprintf(w, "%s\n%s\n%s\n", rule, line(t.columns, widths), rule)
	for _, row := range t.rows {
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
