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

template <typename N>
absl::Span<const N> RowOf(const torch::Tensor& matrix, int64_t row) {
  if (!matrix.defined()) return {};
  return {matrix.const_data_ptr<N>() + row * matrix.size(1),
          static_cast<size_t>(matrix.size(1))};
}

torch::Tensor OnHost(const torch::Tensor& x) {
  return x.defined() ? x.cpu().contiguous() : x;
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

// `ends_of(b)`: of row b.
template <typename EndsOf>
RaggedUnits CutRows(const torch::Tensor& like, EndsOf ends_of) {
  const int64_t n = like.size(1);
  auto ends = torch::empty({like.size(0), n}, torch::kBool);
  std::vector<Row> rows;
  for (int64_t b = 0; b < like.size(0); ++b) {
    const std::vector<uint8_t> row = ends_of(b);
    std::copy(row.begin(), row.end(), ends.data_ptr<bool>() + b * n);
    rows.push_back(CutRow(row));
  }
  const auto device = like.device();
  return {ends.to(device), Padded(rows, &Row::last, 0).to(device),
          Padded(rows, &Row::first, n).to(device),
          Padded(rows, &Row::of_context, 0).to(device),
          Padded(rows, &Row::offset, 0).to(device)};
}

}  // namespace

RaggedUnits CutUnits(const LevelConfig& level, const torch::Tensor& items,
                     const torch::Tensor& segments) {
  const auto host = OnHost(items);
  const auto documents = OnHost(segments);
  return CutRows(items, [&](int64_t b) {
    return RuleUnitEnds(level, RowOf<int64_t>(host, b), RowOf<int64_t>(documents, b));
  });
}

RaggedUnits CutRoutedUnits(const LevelConfig& level, const torch::Tensor& wished,
                           const torch::Tensor& segments) {
  const auto host = OnHost(wished.to(torch::kByte));
  const auto documents = OnHost(segments);
  return CutRows(wished, [&](int64_t b) {
    return RoutedUnitEnds(level, RowOf<uint8_t>(host, b),
                          RowOf<int64_t>(documents, b));
  });
}

}  // namespace strata
