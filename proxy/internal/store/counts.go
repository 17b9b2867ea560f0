package store

// Count is how many objects have something in common.
type Count struct {
	// Wanted is the state that is asked for: started, stopped, destroyed or
	// available, "other" for any other text.
	Wanted string
	// Reported is the last report: access, building or error, "none" before the
	// first.
	Reported string
	Number   int64
}

// Counts are the sizes of the tables. They have few rows however much there is,
// whatever texts callers sent.
type Counts struct {
	// Partitions counts all of them, Busy those with an instance.
	Partitions, Busy            int64
	Instances, Shared, Software []Count
}

// Columns of a Count. The state may be any text that a caller sent.
const (
	countColumns = "SELECT CASE state WHEN 'started' THEN state WHEN 'stopped' THEN state WHEN 'destroyed' THEN state " +
		"WHEN 'available' THEN state ELSE 'other' END AS wanted, CASE SUBSTR(status_text, 1, 7) WHEN '#access' THEN 'access' " +
		"WHEN '#buildi' THEN 'building' WHEN '#error' THEN 'error' WHEN '#error ' THEN 'error' WHEN '' THEN 'none' ELSE 'other' END AS reported, COUNT(*) "
	countGroups = " GROUP BY 1, 2 ORDER BY 1, 2"
)

func (r *reader) Counts() (counts Counts, err error) {
	if err := r.row(qCountPartitions).Scan(&counts.Partitions, &counts.Busy); err != nil {
		return counts, err
	}
	for _, table := range []struct {
		into  *[]Count
		query query
	}{
		{&counts.Instances, qCountInstances}, {&counts.Shared, qCountShared}, {&counts.Software, qCountSoftware},
	} {
		if *table.into, err = all(r, scanCount, table.query); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func scanCount(row scanner) (c Count, err error) {
	err = row.Scan(&c.Wanted, &c.Reported, &c.Number)
	return c, err
}
