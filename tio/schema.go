package tio

// child is what the schema says about one child of an element, in its place.
type child struct {
	name     string
	required bool
	many     bool
	model    *model // nil: a leaf that holds text
	number   bool   // the text is a float
}

// model is what the schema says about an element that holds elements.
type model struct {
	name     string
	typed    bool // has the attribute type
	children []child
}

// The places of the children within their models.
const (
	txTitle = iota
	txStartDate
	txStopDate
	txReference
	txCurrency
	txPaymentMode
	txCategory
	txArrow
	txMovement
)

const (
	arrowSource = iota
	arrowDestination
)

const (
	mvResource = iota
	mvTitle
	mvReference
	mvQuantity
	mvPrice
	mvVAT
	mvCategory
)

// maxPlaces is the most children that a model has.
const maxPlaces = txMovement + 1

// The schema of tio.xsd. Nothing changes these.
var (
	movementModel = &model{name: "movement", children: []child{
		mvResource:  {name: "resource", required: true},
		mvTitle:     {name: "title"},
		mvReference: {name: "reference"},
		mvQuantity:  {name: "quantity", required: true, number: true},
		mvPrice:     {name: "price", required: true, number: true},
		mvVAT:       {name: "VAT", required: true},
		mvCategory:  {name: "category", many: true},
	}}
	arrowModel = &model{name: "arrow", typed: true, children: []child{
		arrowSource:      {name: "source"},
		arrowDestination: {name: "destination"},
	}}
	transactionModel = &model{name: "transaction", typed: true, children: []child{
		txTitle:       {name: "title"},
		txStartDate:   {name: "start_date", required: true},
		txStopDate:    {name: "stop_date", required: true},
		txReference:   {name: "reference", required: true},
		txCurrency:    {name: "currency", required: true},
		txPaymentMode: {name: "payment_mode", required: true},
		txCategory:    {name: "category", many: true},
		txArrow:       {name: "arrow", required: true, many: true, model: arrowModel},
		txMovement:    {name: "movement", required: true, many: true, model: movementModel},
	}}
	journalModel = &model{name: "journal", children: []child{
		{name: "transaction", required: true, many: true, model: transactionModel},
	}}
	consumptionModel = &model{name: "consumption", children: []child{
		{name: "movement", required: true, many: true, model: movementModel},
	}}
)

// place finds a child by name, or answers -1.
func (m *model) place(name string) int {
	for i := range m.children {
		if m.children[i].name == name {
			return i
		}
	}
	return -1
}
