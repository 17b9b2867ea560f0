package tio

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The resources that nodes report once a day (tio.md 2.2).
const (
	ResourceCPULoad      = "service_module/cpu_load_percent"
	ResourceMemoryUsed   = "service_module/memory_used"
	ResourceDiskUsed     = "service_module/disk_used"
	ResourceZeroEmission = "service_module/zero_emission_ratio"
)

// NodeDay is what a node measured about itself and its partitions' users in one
// day, the content of its daily report (tio.md 2.2). An empty Number means that
// there is no data.
type NodeDay struct {
	Computer     string    // reference of the computer
	Day          time.Time // only its date counts
	CPUPercent   Number    // average load of the processors
	MemoryBytes  Number    // average of the memory in use, in bytes
	ZeroEmission Number    // ratio; empty stands for -1, which nodes without such data write
	Users        []UserDay
}

// UserDay is the part of a [NodeDay] about the user of one partition.
type UserDay struct {
	User       string // name of the account, such as "slapuser0"
	CPUPercent Number // average load
	MemoryMiB  Number // average, in units of 2^20 bytes
	DiskUsed   Number // a 1024th of what the node stores
}

// noZeroEmission is written where there is no ratio.
const noZeroEmission = Number("-1")

// nodeFields and userFields are what a report holds, in its order: first the
// lines of the node, then for each field those of all users. Nothing changes them.
var (
	nodeFields = []struct {
		resource, title string
		value           func(*NodeDay) *Number
	}{
		{ResourceCPULoad, "CPU Load Percent Average", func(d *NodeDay) *Number { return &d.CPUPercent }},
		{ResourceMemoryUsed, "Used Memory", func(d *NodeDay) *Number { return &d.MemoryBytes }},
		{ResourceZeroEmission, "Zero Emission Ratio", func(d *NodeDay) *Number { return &d.ZeroEmission }},
	}
	userFields = []struct {
		resource, title string
		value           func(*UserDay) *Number
	}{
		{ResourceCPULoad, "CPU Load Percent Average for ", func(u *UserDay) *Number { return &u.CPUPercent }},
		{ResourceMemoryUsed, "Memory Used Average for ", func(u *UserDay) *Number { return &u.MemoryMiB }},
		{ResourceDiskUsed, "Partition Disk Used Average for ", func(u *UserDay) *Number { return &u.DiskUsed }},
	}
)

// Journal makes the report. Encode writes it byte by byte as a node does.
func (d *NodeDay) Journal() *Journal {
	whole := *d
	if whole.ZeroEmission == "" {
		whole.ZeroEmission = noZeroEmission
	}
	var movements []Movement
	add := func(resource, title, reference string, value Number) {
		if value != "" {
			movements = append(movements, Movement{
				Resource: resource, Title: Text(title), Reference: Text(reference),
				Quantity: value, Price: nodePrice, Categories: []string{""},
			})
		}
	}
	for _, f := range nodeFields {
		add(f.resource, f.title, d.Computer, *f.value(&whole))
	}
	for _, f := range userFields {
		for i := range d.Users {
			u := &d.Users[i]
			add(f.resource, f.title+u.User, u.User, *f.value(u))
		}
	}
	return Daily(d.Computer, d.Day, movements)
}

// errNotDaily is the reason why a journal is not a daily report.
var errNotDaily = errors.New("tio: not the daily report of a node")

// ParseNodeDay reads a journal that a node wrote about one day. Numbers stay as they
// are written. Users come in the order in which the report names them first. It
// is an error if the journal has another form than such a report (another title,
// reference or date, or several transactions), or if a movement is not one of those
// that nodes write, has a price, VAT or category, or comes twice: no movement is
// dropped silently.
func ParseNodeDay(j *Journal) (*NodeDay, error) {
	if len(j.transactions()) != 1 {
		return nil, fmt.Errorf("%w: %d transactions", errNotDaily, len(j.transactions()))
	}
	t := &j.Transactions[0]
	title, ok := strings.CutPrefix(t.Title.Value, dailyTitle)
	computer, end := strings.CutSuffix(title, dailyTitleEnd)
	if !ok || !end {
		return nil, fmt.Errorf("%w: its title is %s", errNotDaily, shorten(t.Title.Value))
	}
	date, _ := strings.CutSuffix(t.Reference, dailyEnd)
	day, err := time.Parse(time.DateOnly, date)
	if err != nil || t.Reference != date+dailyEnd || t.StartDate != date+dailyStart || t.StopDate != date+dailyStop {
		return nil, fmt.Errorf("%w: its reference is %s, from %s to %s", errNotDaily,
			shorten(t.Reference), shorten(t.StartDate), shorten(t.StopDate))
	}
	d := &NodeDay{Computer: computer, Day: day}
	users := make(map[string]int)
	for i := range t.Movements {
		m := &t.Movements[i]
		value := d.field(m, users)
		if value == nil || *value != "" {
			return nil, fmt.Errorf("%w: its movement %d, of %s with the title %s, is unknown or comes twice", errNotDaily,
				i+1, shorten(m.Resource), shorten(m.Title.Value))
		}
		if !free(m) {
			return nil, fmt.Errorf("%w: its movement %d, of %s, has a price, VAT or category", errNotDaily, i+1, shorten(m.Resource))
		}
		*value = m.Quantity
	}
	return d, nil
}

// free tells whether a movement has no more than its quantity to say.
func free(m *Movement) bool {
	return m.Price.zero() && m.VAT == "" && strings.Join(m.Categories, "") == ""
}

// field finds where the quantity of a movement belongs. A new user is added.
func (d *NodeDay) field(m *Movement, users map[string]int) *Number {
	for _, f := range nodeFields {
		if f.resource == m.Resource && f.title == m.Title.Value && m.Reference.Value == d.Computer {
			return f.value(d)
		}
	}
	user := m.Reference.Value
	for _, f := range userFields {
		if f.resource != m.Resource || f.title+user != m.Title.Value {
			continue
		}
		at, ok := users[user]
		if !ok {
			at = len(d.Users)
			users[user] = at
			d.Users = append(d.Users, UserDay{User: user})
		}
		return f.value(&d.Users[at])
	}
	return nil
}
