#include "model/hierarchy/ragged_units.h"

#include <algorithm>
#include <vector>

#include "absl/types/span.h"
#include "model/unit_rule.h"

namespace strata {
namespace {

struct Row {
  std::vector<int64_t> last, first, of_context, offset;
};

Row CutRow(const std::vector<uint8_t>& ends) {
  Row row;
  row.first.push_back(0);
  for (size_t i = 0; i <= ends.size(); ++i) {
    const auto context = static_cast<int64_t>(i);
    if (i > 0 && ends[i - 1]) {
      row.last.push_back(context - 1);
      row.first.push_back(context);
    }
    row.of_context.push_back(static_cast<int64_t>(row.last.size()));
    row.offset.push_back(context - row.first.back());
  }
  return row;
}

absl::Span<const int64_t> RowOf(const torch::Tensor& matrix, int64_t row) {
  return {matrix.const_data_ptr<int64_t>() + row * matrix.size(1),
          static_cast<size_t>(matrix.size(1))};
}

// [rows, width]; short rows are filled up with `fill`.
torch::Tensor Padded(const std::vector<Row>& rows,
                     std::vector<int64_t> Row::*part, int64_t fill) {
  size_t width = 0;
  for (const Row& row : rows) width = std::max(width, (row.*part).size());
  auto matrix = torch::full(
      {static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, fill,
      torch::kInt64);
  int64_t* to = matrix.data_ptr<int64_t>();
  for (const Row& row : rows) {
    std::copy((row.*part).begin(), (row.*part).end(), to);
    to += width;
  }
  return matrix;
}

}  // namespace

RaggedUnits CutUnits(const LevelConfig& level, const torch::Tensor& items,
                     const torch::Tensor& segments) {
  const auto host = items.cpu().contiguous();
  const auto documents =
      segments.defined() ? segments.cpu().contiguous() : segments;
  std::vector<Row> rows;
  for (int64_t b = 0; b < host.size(0); ++b) {
    rows.push_back(CutRow(UnitEnds(
        level, RowOf(host, b),
        documents.defined() ? RowOf(documents, b)
                            : absl::Span<const int64_t>())));
  }
  const auto device = items.device();
  return {Padded(rows, &Row::last, 0).to(device),
          Padded(rows, &Row::first, items.size(1)).to(device),
          Padded(rows, &Row::of_context, 0).to(device),
          Padded(rows, &Row::offset, 0).to(device)};
}

}  // namespace strata
