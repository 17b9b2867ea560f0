package slapgrid

import (
	"bytes"
	"encoding/xml"

	"github.com/slapos/slapos-go/tio"
)

// journalWriter writes elements without white space between them.
type journalWriter struct{ bytes.Buffer }

func (w *journalWriter) text(s string) {
	_ = xml.EscapeText(&w.Buffer, []byte(s)) // a buffer takes everything
}

func (w *journalWriter) leaf(name, value string) {
	w.WriteString("<" + name + ">")
	w.text(value)
	w.WriteString("</" + name + ">")
}

func (w *journalWriter) optional(name string, o tio.Optional) {
	if o.Present {
		w.leaf(name, o.Value)
	}
}

func (w *journalWriter) open(name, kind string) {
	w.WriteString("<" + name + ` type="`)
	w.text(kind)
	w.WriteString(`">`)
}

// encodeJournal writes a journal as the reference's agent sends it.
func encodeJournal(journal *tio.Journal) []byte {
	w := &journalWriter{}
	w.WriteString(`<?xml version="1.0"?><journal>`)
	for _, t := range journal.Transactions {
		w.transaction(t)
	}
	w.WriteString("</journal>")
	return w.Bytes()
}

func (w *journalWriter) transaction(t tio.Transaction) {
	w.open("transaction", t.Type)
	w.optional("title", t.Title)
	w.leaf("start_date", t.StartDate)
	w.leaf("stop_date", t.StopDate)
	w.leaf("reference", t.Reference)
	w.leaf("currency", t.Currency)
	w.leaf("payment_mode", t.PaymentMode)
	for _, category := range t.Categories {
		w.leaf("category", category)
	}
	for _, a := range t.Arrows {
		w.open("arrow", a.Type)
		w.optional("source", a.Source)
		w.optional("destination", a.Destination)
		w.WriteString("</arrow>")
	}
	for _, m := range t.Movements {
		w.movement(m)
	}
	w.WriteString("</transaction>")
}

func (w *journalWriter) movement(m tio.Movement) {
	w.WriteString("<movement>")
	w.leaf("resource", m.Resource)
	w.optional("title", m.Title)
	w.optional("reference", m.Reference)
	w.leaf("quantity", string(m.Quantity))
	w.leaf("price", string(m.Price))
	w.leaf("VAT", m.VAT)
	for _, category := range m.Categories {
		w.leaf("category", category)
	}
	w.WriteString("</movement>")
}
