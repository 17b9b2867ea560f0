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
	"unicode"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// ShowOptions chooses what Show prints. With none of the first six set, all six
// are printed, in this order.
type ShowOptions struct {
	Computers, Software, Partitions, Slaves, Params, Network bool
	// Usage prints the accepted usage reports, Status the last reports,
	// errors and bangs of computers, releases and instances, Errors the whole
	// texts of the errors and bangs. The reference has none of them.
	Usage, Status, Errors bool
	// JSON prints one object with a key for each chosen block: lists of rows
	// for tables, objects by partition for Params and Network.
	JSON bool
}

// shownSchema is the version in the table names that Show prints: that of the
// reference's newest schema, whose columns it shows.
const shownSchema = "18"

// Show prints the state in a database as the reference's command does. It
// changes nothing and may run while a proxy serves the database. A database of the
// reference is shown as an import would leave it. A file that does not exist is an
// error (errors.Is os.ErrNotExist), and is not created.
func Show(ctx context.Context, w io.Writer, databasePath string, o ShowOptions) error {
	v, _, err := openToRead(ctx, databasePath, "")
	if err != nil {
		return fmt.Errorf("proxy: show: %w", err)
	}
	out := bufio.NewWriter(w)
	err = v.View(ctx, func(r store.Reader) error {
		state, err := readShown(r)
		if err != nil {
			return err
		}
		if o.JSON {
			return showJSON(out, state, o)
		}
		fmt.Fprintf(out, "Using database: %s\n", DatabaseName(databasePath))
		return showText(printable{out}, state, o)
	})
	if err != nil {
		err = fmt.Errorf("proxy: show: %w", err)
	}
	return errors.Join(err, out.Flush(), v.Close())
}

// printable writes texts, each whole, that may come to a terminal: what would steer it
// is replaced.
type printable struct{ to io.Writer }

// Write implements io.Writer.
func (p printable) Write(text []byte) (int, error) {
	shown := bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	shown = bytes.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, shown)
	if _, err := p.to.Write(shown); err != nil {
		return 0, err
	}
	return len(text), nil
}

// shownBlock is a part of what is printed.
type shownBlock struct {
	name string
	// Either table is set, or both text and value.
	table func(*shownState) *table
	text  func(io.Writer, *shownState) error
	value func(*shownState) (any, error)
}

// blocks returns the chosen blocks in order.
func (o ShowOptions) blocks() (chosen []shownBlock) {
	all := !o.Computers && !o.Software && !o.Partitions && !o.Slaves && !o.Params && !o.Network && !o.Usage && !o.Status && !o.Errors
	for _, b := range []struct {
		wanted bool
		block  shownBlock
	}{
		{all || o.Computers, shownBlock{name: "computers", table: computerTable}},
		{all || o.Software, shownBlock{name: "software", table: softwareTable}},
		{all || o.Partitions, shownBlock{name: "partitions", table: partitionTable}},
		{all || o.Slaves, shownBlock{name: "slaves", table: sharedTable}},
		{all || o.Params, shownBlock{name: "params", text: showParams, value: paramsValue}},
		{all || o.Network, shownBlock{name: "network", text: showNetwork, value: networkValue}},
		{o.Usage, shownBlock{name: "usage", text: showUsage, value: usageValue}},
		{o.Status, shownBlock{name: "status", table: statusTable}},
		{o.Errors, shownBlock{name: "errors", text: showErrors, value: errorsValue}},
	} {
		if b.wanted {
			chosen = append(chosen, b.block)
		}
	}
	return chosen
}

func showText(w io.Writer, s *shownState, o ShowOptions) error {
	for i, block := range o.blocks() {
		if i > 0 {
			fmt.Fprintln(w, " ")
		}
		print := block.text
		if block.table != nil {
			print = func(w io.Writer, s *shownState) error { return block.table(s).print(w) }
		}
		if err := print(w, s); err != nil {
			return err
		}
	}
	return nil
}

func showJSON(w io.Writer, s *shownState, o ShowOptions) error {
	all := map[string]any{}
	for _, block := range o.blocks() {
		if block.table != nil {
			all[block.name] = block.table(s).objects()
			continue
		}
		value, err := block.value(s)
		if err != nil {
			return err
		}
		all[block.name] = value
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(all)
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

func computerTable(s *shownState) *table {
	t := &table{name: "computer", columns: []string{"reference", "address", "netmask"}}
	for _, c := range s.computers {
		t.add(c.Reference, c.Address, c.Netmask)
	}
	return t
}

func softwareTable(s *shownState) *table {
	t := &table{name: "software", columns: []string{"url", "computer_reference", "requested_state", "md5"}}
	for _, s := range s.software {
		sum := md5.Sum([]byte(s.URL)) //nolint:gosec // see above
		t.add(s.URL, s.Computer, s.State, hex.EncodeToString(sum[:]))
	}
	return t
}

func partitionTable(s *shownState) *table {
	t := &table{
		name: "partition", skipped: "xml, connection_xml, slave_instance_list",
		columns: []string{
			"reference", "computer_reference", "slap_state", "software_release", "software_type",
			"partition_reference", "requested_by", "requester_id", "requested_state", "timestamp",
		},
	}
	for _, p := range s.busy {
		i, slapState := p.Instance, "busy"
		if p.Hidden {
			slapState = "hidden"
		}
		t.add(p.Reference, p.Computer, slapState, i.Release, i.Type, textOrNull(i.Title), i.Tree,
			requesterName(i.RequesterPartition), i.State, json.Number(marshal.FloatText(p.Timestamp)))
	}
	return t
}

func sharedTable(s *shownState) *table {
	t := &table{
		name: "slave", skipped: "connection_xml",
		columns: []string{"reference", "computer_reference", "hosted_by", "requester_id"},
	}
	for _, s := range s.shared {
		t.add(s.Key, s.Computer, s.HostPartition, requesterName(s.RequesterPartition))
	}
	return t
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

func paramsValue(s *shownState) (any, error) {
	value := map[string]any{}
	for _, p := range s.busy {
		if p.Instance.Connection == "" {
			continue
		}
		parameters, err := instancexml.Decode(p.Instance.Connection)
		if err != nil {
			return nil, err
		}
		value[p.Reference] = parameters
	}
	return value, nil
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

// addressesByPartition merges equally named partitions of several computers, as
// the reference does.
func addressesByPartition(s *shownState) map[string][]string {
	addresses := map[string][]string{}
	for _, p := range s.busy {
		for _, a := range p.Addresses {
			addresses[p.Reference] = append(addresses[p.Reference], a.Address)
		}
	}
	return addresses
}

func showNetwork(w io.Writer, s *shownState) error {
	addresses := addressesByPartition(s)
	for _, reference := range slices.Sorted(maps.Keys(addresses)) {
		fmt.Fprintf(w, "%s: %s\n", reference, strings.Join(addresses[reference], ", "))
	}
	return nil
}

func networkValue(s *shownState) (any, error) { return addressesByPartition(s), nil }

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

func usageValue(s *shownState) (any, error) {
	value := []any{}
	for _, u := range s.usage {
		value = append(value, map[string]any{
			"computer": u.Computer, "reference": u.Reference, "version": u.Version, "received": shownTime(u.ReceivedAt), "xml": u.Body,
		})
	}
	return value, nil
}

func statusTable(s *shownState) *table {
	t := &table{name: "status", plain: true, columns: []string{"object", "text", "reported", "since", "last error", "last bang"}}
	add := func(object string, st store.Status, failed, bang store.Event) {
		t.add(object, textOrNull(st.Text), shownTime(st.CreatedAt), shownTime(st.Since), shownTime(failed.At), shownTime(bang.At))
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
	return t
}

// shownTime is a time as text, or null for never.
func shownTime(seconds float64) any {
	if seconds == 0 {
		return nil
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC().Format(time.RFC3339)
}
