<?php
/** The shop's only way to its SQLite database: every query is counted and timed, none is cached. */
declare(strict_types=1);

/** Where the database and the sessions live; TECHFLOW_DATA moves it (tests, containers). */
function data_directory(): string
{
    return getenv('TECHFLOW_DATA') ?: dirname(__DIR__) . '/var';
}

final class Database
{
    public int $queries = 0;
    public float $seconds = 0.0;
    private PDO $pdo;

    public function __construct(string $path)
    {
        if (!is_file($path)) {
            throw new RuntimeException("no database at $path: run  php legacy_stub/seed.php");
        }
        $this->pdo = new PDO('sqlite:' . $path, null, null, [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        ]);
        $this->pdo->exec('PRAGMA busy_timeout = 5000');
        $this->pdo->exec('PRAGMA foreign_keys = ON');
    }

    public function all(string $sql, array $values = []): array
    {
        return $this->execute($sql, $values)->fetchAll();
    }

    public function row(string $sql, array $values = []): ?array
    {
        return $this->execute($sql, $values)->fetch() ?: null;
    }

    public function value(string $sql, array $values = []): mixed
    {
        return $this->execute($sql, $values)->fetchColumn();
    }

    /** Runs a write and returns the number of rows it changed. */
    public function write(string $sql, array $values = []): int
    {
        return $this->execute($sql, $values)->rowCount();
    }

    public function lastId(): int
    {
        return (int) $this->pdo->lastInsertId();
    }

    /** Runs $work in one write transaction: all of it is kept, or nothing. */
    public function transaction(callable $work): mixed
    {
        // IMMEDIATE takes the write lock before the stock is read, so two orders cannot both read "1 left".
        $this->pdo->exec('BEGIN IMMEDIATE');
        try {
            $result = $work();
            $this->pdo->exec('COMMIT');
            return $result;
        } catch (Throwable $error) {
            $this->pdo->exec('ROLLBACK');
            throw $error;
        }
    }

    private function execute(string $sql, array $values): PDOStatement
    {
        $from = hrtime(true);
        $statement = $this->pdo->prepare($sql);
        foreach (array_values($values) as $index => $value) {
            $statement->bindValue($index + 1, $value, is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR);
        }
        $statement->execute();
        $this->queries++;
        $this->seconds += (hrtime(true) - $from) / 1e9;
        return $statement;
    }
}
