package tio_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/slapos/slapos-go/tio"
)

func ExampleEncode() {
	cpu, err := tio.FormatNumber(76.25)
	if err != nil {
		fmt.Println(err)
		return
	}
	journal := &tio.Journal{Transactions: []tio.Transaction{{
		Type:      "Sale Packing List",
		StartDate: "2026-01-31 00:00:00",
		StopDate:  "2026-01-31 23:59:59",
		Reference: "2026-01-31-global",
		Arrows:    []tio.Arrow{{Type: "Destination"}},
		Movements: []tio.Movement{{
			Resource: "service_module/cpu_load_percent", Reference: tio.Text("COMP-1"), Quantity: cpu, Price: "0.0",
		}},
	}}}
	if err := tio.Encode(os.Stdout, journal, tio.WithIndent(" ")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <?xml version='1.0' encoding='utf-8'?>
	// <journal>
	//  <transaction type="Sale Packing List">
	//   <start_date>2026-01-31 00:00:00</start_date>
	//   <stop_date>2026-01-31 23:59:59</stop_date>
	//   <reference>2026-01-31-global</reference>
	//   <currency></currency>
	//   <payment_mode></payment_mode>
	//   <arrow type="Destination"/>
	//   <movement>
	//    <resource>service_module/cpu_load_percent</resource>
	//    <reference>COMP-1</reference>
	//    <quantity>76.25</quantity>
	//    <price>0.0</price>
	//    <VAT></VAT>
	//   </movement>
	//  </transaction>
	// </journal>
}

func ExampleNewEncoder() {
	e := tio.NewEncoder(os.Stdout)
	header := tio.Transaction{Type: "Sale Packing List", Reference: "r", Arrows: []tio.Arrow{{Type: "Destination"}}}
	if err := e.Open(&header); err != nil {
		fmt.Println(err)
		return
	}
	for _, resource := range []string{"cpu", "memory"} {
		if err := e.Movement(&tio.Movement{Resource: resource, Quantity: "1", Price: "0.0"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := e.CloseTransaction(); err != nil {
		fmt.Println(err)
		return
	}
	if err := e.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <?xml version='1.0' encoding='utf-8'?><journal><transaction type="Sale Packing List"><start_date></start_date><stop_date></stop_date><reference>r</reference><currency></currency><payment_mode></payment_mode><arrow type="Destination"/><movement><resource>cpu</resource><quantity>1</quantity><price>0.0</price><VAT></VAT></movement><movement><resource>memory</resource><quantity>1</quantity><price>0.0</price><VAT></VAT></movement></transaction></journal>
}

func ExampleDecode_invalid() {
	_, err := tio.Decode(strings.NewReader("<journal>\n  <invoice/>\n</journal>"))
	fmt.Println(err)
	// Output:
	// line 1, column 1: /journal: journal lacks transaction (missing-element)
	// line 2, column 3: /journal/invoice: journal cannot hold invoice (unexpected-element)
}
