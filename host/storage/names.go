package storage

// SQLite asks the authorizer about a table that is altered, but not about the name that it is to get. So what alters a
// table runs in a savepoint, and is undone if there are more of the platform's names afterwards.

const countReserved = `SELECT count(*) FROM sqlite_master WHERE name LIKE '\_cf\_%' ESCAPE '\'`

// guardNames does step, which is to set the error of its cursor itself, and returns the error of a name that an object may
// not give.
func (d *Database) guardNames(step func()) error {
	if err := d.own(`SAVEPOINT _cf_names`); err != nil {
		return err
	}
	before, err := d.number(countReserved)
	if err != nil {
		return err
	}
	step()
	after, err := d.number(countReserved)
	if err != nil {
		return err
	}
	if after > before {
		if err := d.own(`ROLLBACK TO _cf_names`); err != nil {
			return err
		}
		err = &Error{Message: "not authorized: SQLITE_AUTH"}
	}
	if e := d.own(`RELEASE _cf_names`); e != nil {
		return e
	}
	return err
}
