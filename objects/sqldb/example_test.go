package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"

	"durago.example/objects"
	"durago.example/objects/sqldb"
)

// An Account keeps its money through database/sql, as generated code would.
type Account struct {
	db *sql.DB
}

func NewAccount(state *objects.State) (*Account, error) {
	a := &Account{sqldb.Open(state)}
	_, err := a.db.Exec(`CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, amount INTEGER NOT NULL)`)
	return a, err
}

// Move holds the object's other events until it is done. What it did is undone if there is not enough.
func (a *Account) Move(ctx context.Context, from, to string, amount int) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a Commit it does nothing
	const add = `INSERT INTO parts VALUES (:name, :amount) ON CONFLICT (name) DO UPDATE SET amount = amount + :amount RETURNING amount`
	var left int
	if err := tx.QueryRowContext(ctx, add, sql.Named("name", from), sql.Named("amount", -amount)).Scan(&left); err != nil {
		return err
	}
	if left < 0 {
		return fmt.Errorf("%s has only %d", from, left+amount)
	}
	if _, err := tx.ExecContext(ctx, add, sql.Named("name", to), sql.Named("amount", amount)); err != nil {
		return err
	}
	return tx.Commit()
}

func Example() {
	ctx := context.Background()
	account := startAccount() // the runtime does that
	_, err := account.db.Exec(`INSERT INTO parts VALUES (?, ?)`, "cash", 10)
	must(err)
	fmt.Println(account.Move(ctx, "cash", "savings", 7))
	fmt.Println(account.Move(ctx, "cash", "savings", 7))
	rows, err := account.db.QueryContext(ctx, `SELECT name, amount FROM parts ORDER BY name`)
	must(err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var amount int
		must(rows.Scan(&name, &amount))
		fmt.Println(name, amount)
	}
	must(rows.Err())
	// Output:
	// <nil>
	// cash has only 3
	// cash 3
	// savings 7
}
