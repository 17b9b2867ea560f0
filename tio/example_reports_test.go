package tio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/slapos/slapos-go/tio"
)

// january is a journal of one transaction.
const january = `<journal><transaction type="Sale Packing List">
<start_date>2026-01-01 00:00:00</start_date><stop_date>2026-01-31 23:59:59</stop_date>
<reference>2026-01-global</reference><currency>EUR</currency><payment_mode/><arrow type="Destination"><source>me</source></arrow>
<movement><resource>disk</resource><reference>slappart0</reference><quantity>0.1</quantity><price>0.5</price><VAT/></movement>
<movement><resource>disk</resource><reference>slappart1</reference><quantity>0.2</quantity><price>0.5</price><VAT/></movement>
<movement><resource>cpu</resource><reference>slappart0</reference><quantity>NaN</quantity><price>2</price><VAT/></movement>
</transaction></journal>`

// report is what a partition writes.
const report = `<consumption><movement><resource>disk</resource><reference>me</reference><quantity>12.5</quantity><price>0.0</price><VAT/></movement></consumption>`

func ExampleDecode() {
	journal, err := tio.Decode(strings.NewReader(january))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range journal.Transactions {
		fmt.Println(t.Reference, t.Currency)
		for _, m := range t.Movements {
			fmt.Println(m.Resource, m.Reference.Value, m.Quantity)
		}
	}
	// Output:
	// 2026-01-global EUR
	// disk slappart0 0.1
	// disk slappart1 0.2
	// cpu slappart0 NaN
}

func ExampleNewDecoder() {
	for t, err := range tio.NewDecoder(strings.NewReader(january)).Transactions() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(t.Reference)
		for m, err := range t.Movements() {
			if err != nil {
				break // told again by the outer loop
			}
			fmt.Println(m.Resource, m.Quantity)
		}
	}
	// Output:
	// 2026-01-global
	// disk 0.1
	// disk 0.2
	// cpu NaN
}

func ExampleDecoder_Consumption() {
	for m, err := range tio.NewDecoder(strings.NewReader(report)).Consumption() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Resource, m.Quantity)
	}
	// Output: disk 12.5
}

func ExampleValidate() {
	err := tio.Validate(strings.NewReader(strings.Replace(january, "0.2", "0,2", 1)))
	if broken, ok := errors.AsType[*tio.Error](err); ok {
		fmt.Println(broken.Rule, "in line", broken.Line, "at", broken.Path)
	}
	// Output: float in line 5 at /journal/transaction[1]/movement[2]/quantity
}

func ExampleValidateConsumption() {
	fmt.Println(tio.ValidateConsumption(strings.NewReader(report)))
	fmt.Println(tio.ValidateConsumption(strings.NewReader(january)))
	// Output:
	// <nil>
	// line 1, column 1: /journal: the document element must be consumption (root)
}

func ExampleCheck() {
	warnings, err := tio.Check(strings.NewReader(strings.Replace(january, "<VAT/>", "<VAT>None</VAT>", 1)))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range warnings {
		fmt.Println(w)
	}
	// Output:
	// line 4, column 115: /journal/transaction[1]/movement[1]/VAT: the text None, likely of an old node that means an empty one (none-text)
	// line 6, column 77: /journal/transaction[1]/movement[3]/quantity: the quantity is NaN (special-quantity)
}

func ExampleJournal_Warnings() {
	journal := &tio.Journal{Transactions: []tio.Transaction{{
		StartDate: "2026-02-01 00:00:00", StopDate: "2026-01-31 at 23:59:59",
		Arrows:    []tio.Arrow{{Type: "Destination", Source: tio.Text("me")}},
		Movements: []tio.Movement{{Resource: "disk", Quantity: "-1", Price: "0.0"}},
	}}}
	for _, w := range journal.Warnings() {
		fmt.Println(w.Rule, w.Path)
	}
	// Output:
	// date-order /journal/transaction[1]/stop_date
	// negative-quantity /journal/transaction[1]/movement[1]/quantity
}

func ExampleJournal_Validate() {
	fmt.Println((&tio.Journal{}).Validate())
	// Output: /journal: journal lacks transaction (missing-element)
}

func ExampleTotals() {
	totals := tio.Totals{Exact: true}
	if err := totals.Read(strings.NewReader(january)); err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range totals.ByResource() {
		fmt.Println(t.Resource, t.Quantity.Exact, "of", t.Quantity.Movements, "movements, special:", t.Quantity.Special)
	}
	for _, p := range totals.ByPartition() {
		for _, t := range p.Resources {
			fmt.Println(p.Partition, t.Resource, t.Quantity.Exact)
		}
	}
	for _, a := range totals.ByCurrency() {
		fmt.Println(a.Amount.Exact, a.Currency)
	}
	// Output:
	// cpu 0 of 1 movements, special: 1
	// disk 0.3 of 2 movements, special: 0
	// slappart0 cpu 0
	// slappart0 disk 0.1
	// slappart1 disk 0.2
	// 0.15 EUR
}

func ExampleAggregate() {
	usage, err := tio.ParseConsumption(strings.NewReader(report))
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	journal := tio.Aggregate("COMP-1", at, []tio.Usage{{Partition: "slappart0", Report: usage}})
	if err := tio.Encode(os.Stdout, journal, tio.WithoutEncodingName()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <?xml version="1.0"?><journal><transaction type="Sale Packing List"><title>Resource consumptions</title><start_date></start_date><stop_date>2026-01-31 at 12:00:00</stop_date><reference>COMP-1</reference><currency></currency><payment_mode></payment_mode><category></category><arrow type="Administration"><source></source><destination></destination></arrow><movement><resource>disk</resource><reference>slappart0</reference><quantity>12.5</quantity><price>0.0</price><VAT></VAT></movement></transaction></journal>
}

func ExampleJournal_Usages() {
	journal, err := tio.Decode(strings.NewReader(january))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range journal.Usages() {
		fmt.Println(u.Partition, len(u.Report.Movements))
	}
	// Output:
	// slappart0 2
	// slappart1 1
}

func ExampleNodeDay() {
	cpu, err := tio.FormatNumber(76.43714285714287)
	if err != nil {
		fmt.Println(err)
		return
	}
	day := tio.NodeDay{
		Computer: "COMP-1", Day: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), CPUPercent: cpu,
		Users: []tio.UserDay{{User: "slapuser0", MemoryMiB: "512"}},
	}
	journal := day.Journal()
	for _, m := range journal.Transactions[0].Movements {
		fmt.Println(m.Title.Value, m.Quantity)
	}
	back, err := tio.ParseNodeDay(journal)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(back.Day.Format(time.DateOnly), back.Users[0].User)
	// Output:
	// CPU Load Percent Average 76.43714285714287
	// Zero Emission Ratio -1
	// Memory Used Average for slapuser0 512
	// 2026-01-31 slapuser0
}

func ExampleDaily() {
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	journal := tio.Daily("COMP-1", day, []tio.Movement{{Resource: "disk", Quantity: "1", Price: "0.0"}})
	fmt.Println(journal.Transactions[0].Reference, journal.Validate())
	// Output: 2026-01-31-global <nil>
}

func ExampleParseConsumption() {
	usage, err := tio.ParseConsumption(strings.NewReader(report))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(usage.Movements[0].Resource, usage.Movements[0].Quantity)
	// Output: disk 12.5
}

func ExampleEncodeConsumption() {
	usage := &tio.Consumption{Movements: []tio.Movement{{Resource: "disk", Quantity: "12.5", Price: "0.0"}}}
	if err := tio.EncodeConsumption(os.Stdout, usage); err != nil {
		fmt.Println(err)
	}
	// Output: <?xml version='1.0' encoding='utf-8'?><consumption><movement><resource>disk</resource><quantity>12.5</quantity><price>0.0</price><VAT></VAT></movement></consumption>
}

func ExampleNumber() {
	n := tio.Number(" 1.50e1\n")
	f, err := n.Float64()
	fmt.Println(n.Valid(), f, err)
	r, err := n.Rat()
	fmt.Println(r, err)
	_, err = tio.Number("1e400000000").Rat()
	fmt.Println(errors.Is(err, tio.ErrRange))
	fmt.Println(tio.Number("12GB").Valid())
	// Output:
	// true 15 <nil>
	// 15/1 <nil>
	// true
	// false
}

func ExampleFormatNumber() {
	for _, f := range []float64{10, 14211174517.028572, 1e-7} {
		n, err := tio.FormatNumber(f)
		fmt.Println(n, err)
	}
	// Output:
	// 10 <nil>
	// 14211174517.028572 <nil>
	// 1e-07 <nil>
}

func ExampleContextReader() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := tio.Validate(tio.ContextReader(ctx, strings.NewReader(january)))
	fmt.Println(errors.Is(err, context.Canceled))
	// Output: true
}
