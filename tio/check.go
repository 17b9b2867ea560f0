package tio

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Validate checks values that were built rather than read: that there is a
// transaction, an arrow and a movement where one is required, that quantities
// and prices are numbers, and that every text can stand in an XML document.
// The error is an Errors without lines and columns.
func (j *Journal) Validate() error {
	var c checker
	if len(j.transactions()) == 0 {
		c.report("/journal", MissingElement, "journal lacks transaction")
	}
	for i := range j.transactions() {
		t, path := &j.Transactions[i], indexed("/journal/transaction", i)
		c.header(path, t)
		for k := range t.Movements {
			c.movement(indexed(path+"/movement", k), &t.Movements[k])
		}
		if len(t.Movements) == 0 {
			c.report(path, MissingElement, "transaction lacks movement")
		}
	}
	return c.result()
}

// Validate checks values as [Journal.Validate] does.
func (c *Consumption) Validate() error {
	var found checker
	if len(c.movements()) == 0 {
		found.report("/consumption", MissingElement, "consumption lacks movement")
	}
	for i := range c.movements() {
		found.movement(indexed("/consumption/movement", i), &c.Movements[i])
	}
	return found.result()
}

// checker collects what is wrong with built values, up to DefaultMaxErrors.
type checker struct{ broken Errors }

func (c *checker) result() error {
	if len(c.broken) == 0 {
		return nil
	}
	return c.broken
}

func (c *checker) report(path string, rule Rule, format string, args ...any) {
	if len(c.broken) < DefaultMaxErrors {
		c.broken = append(c.broken, &Error{Rule: rule, Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i+1) + "]" }

// header checks what a transaction holds before its movements.
func (c *checker) header(path string, t *Transaction) {
	c.text(path, "", t.Type)
	c.text(path, "/title", t.Title.Value)
	c.text(path, "/start_date", t.StartDate)
	c.text(path, "/stop_date", t.StopDate)
	c.text(path, "/reference", t.Reference)
	c.text(path, "/currency", t.Currency)
	c.text(path, "/payment_mode", t.PaymentMode)
	c.categories(path, t.Categories)
	for i, a := range t.Arrows {
		at := indexed(path+"/arrow", i)
		c.text(at, "", a.Type)
		c.text(at, "/source", a.Source.Value)
		c.text(at, "/destination", a.Destination.Value)
	}
	if len(t.Arrows) == 0 {
		c.report(path, MissingElement, "transaction lacks arrow")
	}
}

func (c *checker) movement(path string, m *Movement) {
	c.text(path, "/resource", m.Resource)
	c.text(path, "/title", m.Title.Value)
	c.text(path, "/reference", m.Reference.Value)
	c.number(path, "/quantity", m.Quantity)
	c.number(path, "/price", m.Price)
	c.text(path, "/VAT", m.VAT)
	c.categories(path, m.Categories)
}

func (c *checker) categories(path string, categories []string) {
	for i, category := range categories {
		if i == 0 {
			c.text(path, "/category", category)
			continue
		}
		c.text(indexed(path+"/category", i), "", category)
	}
}

func (c *checker) number(path, name string, n Number) {
	if !n.Valid() {
		c.report(path+name, Float, "%s is no number", shorten(string(n)))
	}
}

// text finds the first character that XML cannot hold, not even as a reference.
func (c *checker) text(path, name, value string) {
	for i, r := range value {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(value[i:]); size == 1 {
				c.report(path+name, Character, "%s is not UTF-8", shorten(value))
				return
			}
		}
		if !isChar(r) {
			c.report(path+name, Character, "the character U+%04X is not allowed in XML", r)
			return
		}
	}
}
