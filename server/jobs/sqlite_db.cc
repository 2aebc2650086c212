#include "server/jobs/sqlite_db.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

absl::Status ToStatus(sqlite3* db, int code, absl::string_view what) {
  const std::string message =
      absl::StrCat("job store: ", what, ": ",
                   db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

SqliteStatement::SqliteStatement(sqlite3* db, sqlite3_stmt* statement)
    : db_(db), statement_(statement) {}

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_(other.next_),
      error_(other.error_) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteStatement& SqliteStatement::Bind(int64_t value) {
  if (statement_ == nullptr) return *this;
  const int code = sqlite3_bind_int64(statement_, next_++, value);
  if (error_ == SQLITE_OK) error_ = code;
  return *this;
}

SqliteStatement& SqliteStatement::Bind(absl::string_view value) {
  if (statement_ == nullptr) return *this;
  const char* data = value.empty() ? "" : value.data();
  const int code =
      sqlite3_bind_text64(statement_, next_++, data, value.size(),
                          SQLITE_TRANSIENT, SQLITE_UTF8);
  if (error_ == SQLITE_OK) error_ = code;
  return *this;
}

SqliteStatement& SqliteStatement::BindNull() {
  if (statement_ == nullptr) return *this;
  const int code = sqlite3_bind_null(statement_, next_++);
  if (error_ == SQLITE_OK) error_ = code;
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  if (statement_ == nullptr) return ToStatus(db_, SQLITE_ERROR, "prepare");
  if (error_ != SQLITE_OK) return ToStatus(db_, error_, "bind");
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ToStatus(db_, code, "step");
}

absl::Status SqliteStatement::Run() {
  while (true) {
    STRATA_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string SqliteStatement::Text(int column) const {
  const auto* text =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return std::string();
  return std::string(text, sqlite3_column_bytes(statement_, column));
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

absl::StatusOr<std::unique_ptr<SqliteDb>> SqliteDb::Open(
    const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<SqliteDb> db(new SqliteDb(raw));
  if (code != SQLITE_OK) return ToStatus(raw, code, absl::StrCat("open ", path));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 5000);
  STRATA_RETURN_IF_ERROR(
      db->Exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
               "PRAGMA foreign_keys = ON;"));
  return db;
}

SqliteDb::SqliteDb(sqlite3* db) : db_(db) {}

SqliteDb::~SqliteDb() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::Status SqliteDb::Exec(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return ToStatus(db_, code, "exec");
}

SqliteStatement SqliteDb::Use(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr &&
      sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK) {
    statement = nullptr;
  }
  return SqliteStatement(db_, statement);
}

absl::Status SqliteDb::Begin(bool sync) {
  // Has effect only outside a transaction, and costs a parse: on change only.
  if (sync != synced_) {
    STRATA_RETURN_IF_ERROR(Exec(sync ? "PRAGMA synchronous = FULL"
                                     : "PRAGMA synchronous = NORMAL"));
    synced_ = sync;
  }
  return Use("BEGIN IMMEDIATE").Run();
}

absl::Status SqliteDb::Commit() { return Use("COMMIT").Run(); }

void SqliteDb::Rollback() {
  // Some errors (a full disk) have rolled back already.
  if (sqlite3_get_autocommit(db_) == 0) Use("ROLLBACK").Run().IgnoreError();
}

int64_t SqliteDb::changes() const { return sqlite3_changes64(db_); }

absl::StatusOr<SqliteTransaction> SqliteTransaction::Begin(SqliteDb* db,
                                                           bool sync) {
  STRATA_RETURN_IF_ERROR(db->Begin(sync));
  return SqliteTransaction(db);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  if (db_ != nullptr) db_->Rollback();
}

absl::Status SqliteTransaction::Commit() {
  STRATA_RETURN_IF_ERROR(db_->Commit());
  db_ = nullptr;
  return absl::OkStatus();
}

}  // namespace strata
