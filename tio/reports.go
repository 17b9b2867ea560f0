package tio

import "time"

// Usage is what one partition reported.
type Usage struct {
	Partition string // reference of the partition, such as "slappart0"
	Report    *Consumption
}

// Aggregate makes the journal that a node sends for its partitions: one
// transaction with every movement, in order. The reference of a movement, if it
// has one, becomes that of its partition. The time is written as it is, in
// its own zone; nodes use local time. Without any movement the journal is not
// complete, and Encode refuses it.
func Aggregate(computerID string, at time.Time, usages []Usage) *Journal {
	t := Transaction{
		Type:       "Sale Packing List",
		Title:      Text("Resource consumptions"),
		StopDate:   at.Format("2006-01-02 at 15:04:05"),
		Reference:  computerID,
		Categories: []string{""},
		Arrows:     []Arrow{{Type: "Administration", Source: Text(""), Destination: Text("")}},
	}
	for _, u := range usages {
		for _, m := range u.Report.Movements {
			if m.Reference.Present {
				m.Reference = Text(u.Partition)
			}
			t.Movements = append(t.Movements, m)
		}
	}
	return &Journal{Transactions: []Transaction{t}}
}

// Daily makes the journal that a node writes once a day about itself, with the
// movements given. Only the date of day counts.
func Daily(computerID string, day time.Time, movements []Movement) *Journal {
	date := day.Format(time.DateOnly)
	return &Journal{Transactions: []Transaction{{
		Type:       "Sale Packing List",
		Title:      Text("Eco Information for " + computerID + " "),
		StartDate:  date + " 00:00:00",
		StopDate:   date + " 23:59:59",
		Reference:  date + "-global",
		Categories: []string{""},
		Arrows:     []Arrow{{Type: "Destination"}},
		Movements:  movements,
	}}}
}
