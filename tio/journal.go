package tio

// Journal is a whole document: the element journal in chapter 3 of the SlapOS
// documentation (tio.md 1.2), as are the types below. The zero value is an empty
// journal, to be filled before it is written.
type Journal struct {
	Transactions []Transaction // at least one
}

// Transaction says what was exchanged, between whom and when. The texts may be
// empty; their form is free, though [Check] warns about dates in forms that are not
// known.
type Transaction struct {
	Type        string // such as "Sale Packing List"
	Title       Optional
	StartDate   string // when a service started
	StopDate    string // when it was completed
	Reference   string // absolute reference of the transaction
	Currency    string
	PaymentMode string
	Categories  []string
	Arrows      []Arrow    // at least one
	Movements   []Movement // at least one
}

// Arrow says who provided a service to whom.
type Arrow struct {
	Type        string // such as "Destination" or "Administration"
	Source      Optional
	Destination Optional
}

// Movement is how much of one resource was exchanged.
type Movement struct {
	Resource   string // kind of service, such as "service_module/cpu_load_percent"
	Title      Optional
	Reference  Optional // in reports of nodes: the partition or its user
	Quantity   Number   // in the unit of the resource
	Price      Number   // per unit
	VAT        string
	Categories []string
}

// transactions are none for nil, which is taken for an empty journal.
func (j *Journal) transactions() []Transaction {
	if j == nil {
		return nil
	}
	return j.Transactions
}

// Consumption is what one partition reports (partition_consumption.xsd of the
// reference; tio.md 2.1): movements without transaction, which the node puts into a
// Journal, see [Aggregate].
type Consumption struct {
	Movements []Movement // at least one
}

// movements are none for nil, which is taken for an empty report.
func (c *Consumption) movements() []Movement {
	if c == nil {
		return nil
	}
	return c.Movements
}

// Optional is a text that may be absent, which is not the same as
// empty. The zero value is absent.
type Optional struct {
	Value   string
	Present bool
}

// Text is an Optional that is present.
func Text(value string) Optional { return Optional{Value: value, Present: true} }
