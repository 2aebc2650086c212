#pragma once
// A thin RAII over SQLite: one connection, its prepared statements, one
// transaction at a time. Thread-compatible: the owner locks. Errors are
// statuses: a full disk is RESOURCE_EXHAUSTED, a lock that others keep
// UNAVAILABLE, a damaged file DATA_LOSS, a broken constraint ALREADY_EXISTS,
// anything else INTERNAL.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace strata {

// A use of a prepared statement: bind, step, read columns (from 0). Destruction
// resets it for the next use. Binding errors surface at Step.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* db, sqlite3_stmt* statement);
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  // Binds the next parameter.
  SqliteStatement& Bind(int64_t value);
  SqliteStatement& Bind(absl::string_view value);
  SqliteStatement& BindNull();
  // True: a row is there. False: done.
  absl::StatusOr<bool> Step();
  absl::Status Run();  // Step to the end

  int64_t Int(int column) const;
  std::string Text(int column) const;
  bool IsNull(int column) const;

 private:
  sqlite3* const db_;
  sqlite3_stmt* statement_;
  int next_ = 1;
  int error_ = 0;
};

class SqliteDb {
 public:
  // WAL, foreign keys, a busy timeout of 5 s. Creates the file.
  static absl::StatusOr<std::unique_ptr<SqliteDb>> Open(const std::string& path);
  ~SqliteDb();

  absl::Status Exec(const char* sql);  // one or more statements, no result
  // `sql` is prepared once and kept. An error is reported by Step.
  SqliteStatement Use(const char* sql);

  // BEGIN IMMEDIATE. `sync`: the commit waits for the disk; else a power cut
  // may lose it (a killed process loses nothing).
  absl::Status Begin(bool sync);
  absl::Status Commit();
  void Rollback();
  int64_t changes() const;  // rows of the last INSERT, UPDATE or DELETE

 private:
  explicit SqliteDb(sqlite3* db);
  sqlite3* const db_;
  std::map<std::string, sqlite3_stmt*> statements_;
  bool synced_ = true;
};

// Rolls back at destruction unless committed.
class SqliteTransaction {
 public:
  static absl::StatusOr<SqliteTransaction> Begin(SqliteDb* db, bool sync);
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();
  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteDb* db) : db_(db) {}
  SqliteDb* db_;
};

}  // namespace strata
