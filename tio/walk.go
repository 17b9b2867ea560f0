package tio

// children hands the start of each child that the schema knows to read, and
// returns at the end of the parent.
func (e *engine) children(f *frame, read func(t token, place int) error) error {
	for {
		t, place, err := e.next(f)
		if err != nil || place < 0 {
			return err
		}
		if err := read(t, place); err != nil {
			return err
		}
		e.leave()
	}
}

// document walks through a whole document, whose element has children of one
// name.
func (e *engine) document(m *model, read func(t token) error) error {
	f, err := e.begin(m)
	if err != nil {
		return err
	}
	if err := e.children(f, func(t token, _ int) error { return read(t) }); err != nil {
		return err
	}
	e.leave()
	return e.finish()
}

// journal walks through a journal and hands out each transaction when its
// header is complete.
func (e *engine) journal(each func(*OpenTransaction) error) error {
	return e.document(journalModel, func(t token) error {
		open, err := e.transaction(t)
		if err != nil {
			return err
		}
		return each(open)
	})
}

// drainJournal checks a journal that nobody wants to have.
func (e *engine) drainJournal() error {
	return e.journal((*OpenTransaction).drain)
}

// consumption walks through the report of a partition.
func (e *engine) consumption(each func(Movement) error) error {
	return e.document(consumptionModel, func(t token) error {
		m, err := e.movement(t)
		if err != nil {
			return err
		}
		return each(m)
	})
}

// transaction reads a transaction up to its first movement, or to its end.
func (e *engine) transaction(t token) (*OpenTransaction, error) {
	kind, err := e.attributes(t, true, nil)
	if err != nil {
		return nil, err
	}
	e.held = len(kind)
	e.lint.open()
	open := &OpenTransaction{Transaction: Transaction{Type: kind}, e: e, f: newFrame(transactionModel, t)}
	return open, open.advance(&open.Transaction)
}

// advance reads up to the start of the next movement, or to the end of the
// transaction. What comes before goes into x.
func (t *OpenTransaction) advance(x *Transaction) error {
	for {
		start, place, err := t.e.next(t.f)
		switch {
		case err != nil:
			return err
		case place < 0:
			t.ended = true
			return nil
		case place == txMovement:
			t.start, t.pending = start, true
			return nil
		case place == txArrow:
			a, err := t.e.arrow(start)
			if err != nil {
				return err
			}
			x.Arrows = append(x.Arrows, a)
		default:
			value, err := t.e.leaf(start, transactionModel, place)
			if err != nil {
				return err
			}
			x.set(place, value)
		}
		t.e.leave()
	}
}

// movement reads the next movement of a transaction, and false at its end. What
// is misplaced between movements has been told by next and is dropped.
func (t *OpenTransaction) movement() (Movement, bool, error) {
	if t.err == nil && !t.ended && !t.pending {
		t.err = t.advance(&Transaction{})
	}
	if t.err != nil || t.ended {
		return Movement{}, false, t.err
	}
	t.pending = false
	m, err := t.e.movement(t.start)
	if err != nil {
		t.err = err
		return Movement{}, false, err
	}
	t.e.leave()
	return m, true, nil
}

// drain reads the movements that nobody wanted.
func (t *OpenTransaction) drain() error {
	for {
		if _, ok, err := t.movement(); err != nil || !ok {
			return err
		}
	}
}

// leaves reads an element whose children all hold text, and returns its type.
func (e *engine) leaves(t token, m *model, set func(place int, value string)) (string, error) {
	kind, err := e.attributes(t, m.typed, nil)
	if err == nil {
		err = e.hold(t.pos, len(kind))
	}
	if err != nil {
		return "", err
	}
	return kind, e.children(e.innerFrame(m, t), func(t token, place int) error {
		value, err := e.leaf(t, m, place)
		if err == nil {
			set(place, value)
		}
		return err
	})
}

func (e *engine) arrow(t token) (Arrow, error) {
	var a Arrow
	var err error
	a.Type, err = e.leaves(t, arrowModel, a.set)
	if err == nil {
		e.lint.arrow(&a, e.spot(t.pos))
	}
	return a, err
}

func (e *engine) movement(t token) (Movement, error) {
	var m Movement
	e.held = 0
	_, err := e.leaves(t, movementModel, m.set)
	return m, err
}

// set puts the text of a child where it belongs.
func (t *Transaction) set(place int, value string) {
	switch place {
	case txTitle:
		t.Title = Text(value)
	case txStartDate:
		t.StartDate = value
	case txStopDate:
		t.StopDate = value
	case txReference:
		t.Reference = value
	case txCurrency:
		t.Currency = value
	case txPaymentMode:
		t.PaymentMode = value
	case txCategory:
		t.Categories = append(t.Categories, value)
	}
}

func (a *Arrow) set(place int, value string) {
	switch place {
	case arrowSource:
		a.Source = Text(value)
	case arrowDestination:
		a.Destination = Text(value)
	}
}

func (m *Movement) set(place int, value string) {
	switch place {
	case mvResource:
		m.Resource = value
	case mvTitle:
		m.Title = Text(value)
	case mvReference:
		m.Reference = Text(value)
	case mvQuantity:
		m.Quantity = Number(value)
	case mvPrice:
		m.Price = Number(value)
	case mvVAT:
		m.VAT = value
	case mvCategory:
		m.Categories = append(m.Categories, value)
	}
}
