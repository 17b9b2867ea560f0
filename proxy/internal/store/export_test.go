package store

import "context"

// Setting returns a setting of the connection that writes.
func (p *Postgres) Setting(ctx context.Context, name string) (value string, err error) {
	err = p.write.QueryRowContext(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}
