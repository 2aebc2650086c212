#pragma once
// Early return on errors. Abseil of the oldest supported release has no
// status_macros.h, and LibTorch leaks unprefixed macros, hence our own names.
//
//   STRATA_RETURN_IF_ERROR(Validate(config));
//   STRATA_ASSIGN_OR_RETURN(auto model, Load(path));

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define STRATA_CONCAT_INNER_(a, b) a##b
#define STRATA_CONCAT_(a, b) STRATA_CONCAT_INNER_(a, b)

#define STRATA_RETURN_IF_ERROR(expr)                        \
  do {                                                      \
    absl::Status strata_status_ = (expr);                   \
    if (!strata_status_.ok()) return strata_status_;        \
  } while (false)

#define STRATA_ASSIGN_OR_RETURN(lhs, expr) \
  STRATA_ASSIGN_OR_RETURN_IMPL_(STRATA_CONCAT_(strata_or_, __LINE__), lhs, expr)

#define STRATA_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return std::move(tmp).status();      \
  lhs = std::move(tmp).value()
