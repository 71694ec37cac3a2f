package sdk_test

import (
	"fmt"

	"millstream.dev/sdk"
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

// Upper turns the names of customers into capitals, column by column.
type Upper struct{}

func (Upper) Apply(records *sdk.Records) error {
	return records.MapText(batch.AppendUpper, "customer", "name")
}

func ExampleRegisterTransform() {
	sdk.RegisterTransform(sdk.Plugin{
		Class: "org.example.Upper", Version: "1", Doc: "Names of customers in capitals.",
	}, func(*config.None) (Upper, error) { return Upper{}, nil })

	chain, _, err := sdk.NewChain(sdk.Link{Class: "org.example.Upper"})
	if err != nil {
		panic(err)
	}
	var given sdk.Collector
	if err := given.Add(sdk.NewRecord("orders", data.NewMap("id", 7, "customer", data.NewMap("name", "Zoë")))); err != nil {
		panic(err)
	}
	records := sdk.NewRecords(given.Table())
	if err := chain.Run(records); err != nil {
		panic(err)
	}
	for _, record := range records.All() {
		fmt.Println(record.Value)
	}
	// Output: {id=7, customer={name=ZOË}}
}

type Order struct {
	ID    int64        `connect:"id"`
	Item  string       `connect:"item"`
	Price data.Decimal `connect:"price,scale=2"`
	Note  *string      `connect:"note"`
}

func ExampleNewRecordOf() {
	schema := data.SchemaFor[Order]()
	record, err := sdk.NewRecordOf("orders", schema, Order{ID: 7, Item: "tea", Price: data.NewDecimal(499, 2)})
	if err != nil {
		panic(err)
	}
	fmt.Println(record.Value)

	var order Order
	if err := record.Unmarshal(&order); err != nil {
		panic(err)
	}
	fmt.Println(order.Item, order.Price, order.Note == nil)
	// Output:
	// Struct{id=7,item=tea,price=4.99}
	// tea 4.99 true
}

func ExampleRetriable() {
	err := sdk.Retriable("ask %s for orders: %w", "example.com", fmt.Errorf("connection refused"))
	fmt.Println(err.Message)
	fmt.Println(err.Causes[0])
	// Output:
	// ask example.com for orders
	// connection refused
}
