-- name: CreateAuthor :one
INSERT INTO authors (name, bio, born) VALUES (?, ?, ?) RETURNING *;

-- name: GetAuthor :one
SELECT * FROM authors WHERE name = ?;

-- name: ListAuthors :many
SELECT id, name, bio FROM authors ORDER BY name;

-- name: RenameAuthor :exec
UPDATE authors SET name = ? WHERE id = ?;

-- name: DeleteAuthor :execresult
DELETE FROM authors WHERE id = ?;

-- name: CreateBook :execlastid
INSERT INTO books (author_id, title, price, cover) VALUES (?, ?, ?, ?);

-- name: Reprice :execrows
UPDATE books SET price = price * sqlc.arg(factor) WHERE in_print = sqlc.arg(in_print);

-- name: SellBook :exec
UPDATE books SET sold_at = ?, in_print = ? WHERE id = ?;

-- name: BooksBy :many
SELECT sqlc.embed(books), sqlc.embed(authors)
FROM books JOIN authors ON authors.id = books.author_id
WHERE authors.name = ? ORDER BY books.title LIMIT ? OFFSET ?;

-- name: SearchBooks :many
SELECT * FROM books
WHERE title LIKE sqlc.arg(pattern) AND (sqlc.narg(max_price) IS NULL OR price <= sqlc.narg(max_price)) ORDER BY title;

-- name: BooksByID :many
SELECT * FROM books WHERE id IN (sqlc.slice('ids')) AND author_id = ? ORDER BY id;

-- name: Prices :one
SELECT count(*) AS number, CAST(avg(price) AS REAL) AS average, CAST(max(title) AS TEXT) AS greatest FROM books;
