package tio

// journal walks through a journal and hands out each transaction when its
// header is complete.
func (e *engine) journal(each func(*OpenTransaction) error) error {
	f, err := e.begin(journalModel)
	if err != nil {
		return err
	}
	for {
		t, place, err := e.next(f)
		if err != nil {
			return err
		}
		if place < 0 {
			e.leave()
			return e.finish()
		}
		open, err := e.transaction(t)
		if err != nil {
			return err
		}
		if err := each(open); err != nil {
			return err
		}
		e.leave()
	}
}

// consumption walks through the report of a partition.
func (e *engine) consumption(c *Consumption) error {
	f, err := e.begin(consumptionModel)
	if err != nil {
		return err
	}
	for {
		t, place, err := e.next(f)
		if err != nil {
			return err
		}
		if place < 0 {
			e.leave()
			return e.finish()
		}
		m, err := e.movement(t)
		if err != nil {
			return err
		}
		c.Movements = append(c.Movements, m)
		e.leave()
	}
}

// transaction reads a transaction up to its first movement, or to its end.
func (e *engine) transaction(t token) (*OpenTransaction, error) {
	kind, err := e.attributes(t, true, nil)
	if err != nil {
		return nil, err
	}
	open := &OpenTransaction{Transaction: Transaction{Type: kind}, e: e, f: e.frame(transactionModel, t)}
	for {
		t, place, err := e.next(open.f)
		switch {
		case err != nil:
			return nil, err
		case place < 0:
			open.ended = true
			return open, nil
		case place == txMovement:
			open.first = &t
			return open, nil
		}
		if err := e.header(&open.Transaction, t, place); err != nil {
			return nil, err
		}
		e.leave()
	}
}

// header reads one child of a transaction that is no movement.
func (e *engine) header(x *Transaction, t token, place int) error {
	if place == txArrow {
		a, err := e.arrow(t)
		x.Arrows = append(x.Arrows, a)
		return err
	}
	value, err := e.leaf(t, &transactionModel.children[place])
	switch place {
	case txTitle:
		x.Title = Text(value)
	case txStartDate:
		x.StartDate = value
	case txStopDate:
		x.StopDate = value
	case txReference:
		x.Reference = value
	case txCurrency:
		x.Currency = value
	case txPaymentMode:
		x.PaymentMode = value
	case txCategory:
		x.Categories = append(x.Categories, value)
	}
	return err
}

func (e *engine) arrow(t token) (Arrow, error) {
	kind, err := e.attributes(t, true, nil)
	if err != nil {
		return Arrow{}, err
	}
	a := Arrow{Type: kind}
	f := e.frame(arrowModel, t)
	for {
		t, place, err := e.next(f)
		if err != nil || place < 0 {
			return a, err
		}
		value, err := e.leaf(t, &arrowModel.children[place])
		if err != nil {
			return a, err
		}
		if place == arrowSource {
			a.Source = Text(value)
		} else {
			a.Destination = Text(value)
		}
		e.leave()
	}
}

// movement reads the next movement of a transaction, and false at its end. What
// is misplaced between movements has been told by next and is dropped.
func (t *OpenTransaction) movement() (Movement, bool, error) {
	if t.err != nil {
		return Movement{}, false, t.err
	}
	if t.ended {
		return Movement{}, false, nil
	}
	for {
		var start token
		if t.first != nil {
			start, t.first = *t.first, nil
		} else {
			tok, place, err := t.e.next(t.f)
			switch {
			case err != nil:
				t.err = err
				return Movement{}, false, err
			case place < 0:
				t.ended = true
				return Movement{}, false, nil
			case place != txMovement:
				if err := t.e.header(&Transaction{}, tok, place); err != nil {
					t.err = err
					return Movement{}, false, err
				}
				t.e.leave()
				continue
			}
			start = tok
		}
		m, err := t.e.movement(start)
		if err != nil {
			t.err = err
			return Movement{}, false, err
		}
		t.e.leave()
		return m, true, nil
	}
}

// drain reads the movements that nobody wanted.
func (t *OpenTransaction) drain() error {
	for {
		if _, ok, err := t.movement(); err != nil || !ok {
			return err
		}
	}
}

func (e *engine) movement(t token) (Movement, error) {
	if _, err := e.attributes(t, false, nil); err != nil {
		return Movement{}, err
	}
	var m Movement
	f := e.frame(movementModel, t)
	for {
		t, place, err := e.next(f)
		if err != nil || place < 0 {
			return m, err
		}
		value, err := e.leaf(t, &movementModel.children[place])
		if err != nil {
			return m, err
		}
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
		e.leave()
	}
}
