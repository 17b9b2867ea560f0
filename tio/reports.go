package tio

import "time"

// What the transactions of nodes have in common.
const (
	packingList   = "Sale Packing List"
	nodePrice     = Number("0.0")
	nodeTitle     = "Resource consumptions"
	nodeStop      = "2006-01-02 at 15:04:05"
	nodeArrow     = "Administration"
	dailyArrow    = "Destination"
	dailyStart    = " 00:00:00"
	dailyStop     = " 23:59:59"
	dailyEnd      = "-global"
	dailyTitle    = "Eco Information for "
	dailyTitleEnd = " "
)

// Usage is what one partition reported.
type Usage struct {
	Partition string       // reference of the partition, such as "slappart0"
	Report    *Consumption // nil: nothing
}

// Aggregate makes the journal that a node sends for its partitions, in its command
// report (tio.md 2.3): one transaction with every movement, in order. The reference of a movement,
// if it has one, becomes that of its partition. The time is written as it is, in
// its own zone; nodes use local time. Without any movement the journal is not
// complete, and Encode refuses it. [Journal.Usages] is the way back.
func Aggregate(computerID string, at time.Time, usages []Usage) *Journal {
	t := Transaction{
		Type:       packingList,
		Title:      Text(nodeTitle),
		StopDate:   at.Format(nodeStop),
		Reference:  computerID,
		Categories: []string{""},
		Arrows:     []Arrow{{Type: nodeArrow, Source: Text(""), Destination: Text("")}},
	}
	for _, u := range usages {
		for _, m := range u.Report.movements() {
			t.Movements = append(t.Movements, inPartition(u.Partition, m))
		}
	}
	return &Journal{Transactions: []Transaction{t}}
}

// inPartition is a movement of a partition as a node passes it on.
func inPartition(partition string, m Movement) Movement {
	if m.Reference.Present {
		m.Reference = Text(partition)
	}
	return m
}

// Usages takes a journal apart by partition: the movements with one reference, in
// their order, as the report that such a partition made. Partitions come in the
// order in which the journal names them first. Movements without reference come
// under an empty one. Values stay as they are, among them the text None of old
// nodes. The movements share their categories with the journal.
func (j *Journal) Usages() []Usage {
	var out []Usage
	known := make(map[string]int)
	for i := range j.transactions() {
		for _, m := range j.Transactions[i].Movements {
			at, ok := known[m.Reference.Value]
			if !ok {
				at = len(out)
				known[m.Reference.Value] = at
				out = append(out, Usage{m.Reference.Value, &Consumption{}})
			}
			report := out[at].Report
			report.Movements = append(report.Movements, m)
		}
	}
	return out
}

// Daily makes a journal of the form that a node writes once a day about itself
// in its command collect (tio.md 2.2), with the movements given. Only the date of day counts. See
// [NodeDay] for the movements that nodes put in.
func Daily(computerID string, day time.Time, movements []Movement) *Journal {
	date := day.Format(time.DateOnly)
	return &Journal{Transactions: []Transaction{{
		Type:       packingList,
		Title:      Text(dailyTitle + computerID + dailyTitleEnd),
		StartDate:  date + dailyStart,
		StopDate:   date + dailyStop,
		Reference:  date + dailyEnd,
		Categories: []string{""},
		Arrows:     []Arrow{{Type: dailyArrow}},
		Movements:  movements,
	}}}
}
