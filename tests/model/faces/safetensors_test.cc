#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "tests/model/faces/scratch_dir.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

NamedTensor Named(const std::string& name, DType dtype,
                  std::vector<int64_t> shape, absl::string_view bytes) {
  TensorView view;
  view.dtype = dtype;
  view.shape = std::move(shape);
  view.data = absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()),
                                  bytes.size());
  return {name, view};
}

// A file of the given header and data.
std::string Raw(absl::string_view header, absl::string_view data) {
  std::string file;
  for (int i = 0; i < 8; ++i) {
    file.push_back(static_cast<char>((header.size() >> (8 * i)) & 0xFF));
  }
  return absl::StrCat(file, header, data);
}

std::string Entry(absl::string_view name, absl::string_view shape, int begin,
                  int end) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"U8\",\"shape\":", shape,
                      ",\"data_offsets\":[", begin, ",", end, "]}");
}

class SafetensorsTest : public ::testing::Test {
 protected:
  absl::Status Open(absl::string_view contents) {
    return SafetensorsFile::Open(dir_.Put("x", contents)).status();
  }
  void ExpectLost(absl::string_view contents, const char* message) {
    const absl::Status status = Open(contents);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  ScratchDir dir_;
};

TEST_F(SafetensorsTest, RoundTrips) {
  const std::string bytes = "0123456789abcdefghijklmn";
  const absl::string_view all = bytes;
  const std::vector<NamedTensor> tensors = {
      Named("u8", DType::kU8, {3}, all.substr(0, 3)),
      Named("scalar", DType::kF32, {}, all.substr(4, 4)),
      Named("bf16", DType::kBF16, {1, 3}, all.substr(2, 6)),
      Named("i64", DType::kI64, {1}, all.substr(8, 8)),
      Named("f64", DType::kF64, {2, 1}, all.substr(0, 16)),
      Named("none", DType::kF32, {0, 5}, all.substr(0, 0)),
      Named("a \"quoted\" \xC3\xA4", DType::kU8, {1}, all.substr(9, 1))};
  const std::map<std::string, std::string> metadata = {{"k", "v"}, {"x", ""}};
  const std::string path = dir_ / "m.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, tensors, metadata).ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->metadata(), metadata);
  ASSERT_EQ((*file)->tensors().size(), tensors.size());
  for (const NamedTensor& named : tensors) {
    const TensorView found = (*file)->Find(named.name).value();
    EXPECT_EQ(found.dtype, named.tensor.dtype);
    EXPECT_EQ(found.shape, named.tensor.shape);
    EXPECT_EQ(std::vector<uint8_t>(found.data.begin(), found.data.end()),
              std::vector<uint8_t>(named.tensor.data.begin(),
                                   named.tensor.data.end()));
    // Read in place: no element straddles its alignment.
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.data.data()) %
                  static_cast<uintptr_t>(DTypeBytes(found.dtype)),
              0u)
        << named.name;
  }
}

TEST_F(SafetensorsTest, DataStartsAtACacheLine) {
  for (int length = 0; length < 70; ++length) {
    const std::string name(static_cast<size_t>(length) + 1, 'n');
    const std::string path = dir_ / "m";
    ASSERT_TRUE(
        WriteSafetensors(path, {Named(name, DType::kU8, {1}, "x")}, {}).ok());
    EXPECT_EQ((Slurp(path).size() - 1) % 64, 0u);
  }
}

TEST_F(SafetensorsTest, AnEmptySetOfTensorsIsLegal) {
  ASSERT_TRUE(WriteSafetensors(dir_ / "m", {}, {}).ok());
  EXPECT_TRUE(SafetensorsFile::Open(dir_ / "m").value()->tensors().empty());
}

TEST_F(SafetensorsTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(SafetensorsFile::Open(dir_ / "absent").status().code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteSafetensors(dir_ / "m", {}, {}).ok());
  const absl::Status status =
      SafetensorsFile::Open(dir_ / "m").value()->Find("w").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no tensor \"w\" in "));
}

TEST_F(SafetensorsTest, TheWriterRefusesWhatItCouldNotRead) {
  const auto code = [&](const std::vector<NamedTensor>& tensors) {
    const auto result = WriteSafetensors(dir_ / "bad", tensors, {}).code();
    EXPECT_FALSE(std::filesystem::exists(dir_ / "bad"));
    return result;
  };
  EXPECT_EQ(code({Named("a", DType::kF32, {1}, "123")}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({Named("a", DType::kU8, {-1}, "")}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({Named("__metadata__", DType::kU8, {1}, "x")}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({Named("a", DType::kU8, {1}, "x"),
                  Named("a", DType::kU8, {1}, "y")}),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SafetensorsTest, AFullDiskIsResourceExhausted) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  std::filesystem::create_symlink("/dev/full", dir_ / "full");
  EXPECT_EQ(WriteSafetensors(dir_ / "full", {Named("a", DType::kU8, {1}, "x")},
                             {})
                .code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(SafetensorsTest, EveryTruncationIsNoticed) {
  const std::string path = dir_ / "m";
  ASSERT_TRUE(WriteSafetensors(path, {Named("a", DType::kU8, {9}, "123456789")},
                               {{"k", "v"}})
                  .ok());
  const std::string whole = Slurp(path);
  ASSERT_TRUE(Open(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Open(whole.substr(0, size)).code(), absl::StatusCode::kDataLoss)
        << size;
  }
  ExpectLost(whole + "x", "1 bytes after the last tensor");
}

TEST_F(SafetensorsTest, HugeHeaderLengths) {
  for (const char* length :
       {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x00\xE1\xF5\x05\x01\x00\x00\x00",
        "\xF9\xFF\xFF\xFF\xFF\xFF\xFF\xFF"}) {
    ExpectLost(std::string(length, 8) + "{}", "header of ");
  }
}

TEST_F(SafetensorsTest, HeadersThatAreNoHeaders) {
  ExpectLost(Raw("", ""), "");
  ExpectLost(Raw("[]", ""), "must be an object");
  ExpectLost(Raw("{", ""), "");
  ExpectLost(Raw("{\"a\":1}", ""), "a: must be an object");
  ExpectLost(Raw("{\"__metadata__\":{\"k\":1}}", ""), "object of strings");
  ExpectLost(Raw("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", "x"),
             "data_offsets: is missing");
  ExpectLost(Raw("{\"a\":{\"dtype\":\"Q3\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                 "x"),
             "dtype Q3");
  ExpectLost(Raw("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],"
                 "\"z\":1}}",
                 "x"),
             "a.z: unknown member");
}

TEST_F(SafetensorsTest, DuplicateNames) {
  ExpectLost(Raw(absl::StrCat("{", Entry("a", "[1]", 0, 1), ",",
                              Entry("a", "[1]", 1, 2), "}"),
                 "xy"),
             "duplicate member \"a\"");
}

TEST_F(SafetensorsTest, TensorsMustTileTheData) {
  const auto pair = [](int b0, int e0, int b1, int e1) {
    return absl::StrCat(
        "{", Entry("a", absl::StrCat("[", e0 - b0, "]"), b0, e0), ",",
        Entry("b", absl::StrCat("[", e1 - b1, "]"), b1, e1), "}");
  };
  EXPECT_TRUE(Open(Raw(pair(0, 2, 2, 4), "1234")).ok());
  EXPECT_TRUE(Open(Raw(pair(2, 4, 0, 2), "1234")).ok());  // any order
  ExpectLost(Raw(pair(0, 3, 2, 4), "1234"), "overlap before tensor \"b\"");
  ExpectLost(Raw(pair(0, 1, 2, 4), "1234"), "hole before tensor \"b\"");
  ExpectLost(Raw(pair(1, 2, 2, 4), "1234"), "hole before tensor \"a\"");
  ExpectLost(Raw(pair(0, 2, 2, 3), "1234"), "1 bytes after the last tensor");
  ExpectLost(Raw(pair(0, 2, 2, 5), "1234"), "lies outside the data");
}

TEST_F(SafetensorsTest, ShapesMustFitTheirBytes) {
  const auto one = [](absl::string_view shape, int end) {
    return Raw(absl::StrCat("{", Entry("a", shape, 0, end), "}"), "1234");
  };
  EXPECT_TRUE(Open(one("[2,2]", 4)).ok());
  ExpectLost(one("[3]", 4), "has 4 bytes; its shape needs 3");
  ExpectLost(one("[-4]", 4), "impossible shape");
  ExpectLost(one("[4294967296,4294967296,4]", 4), "impossible shape");
  ExpectLost(one("[4.0]", 4), "a.shape: must be an array of integers");
  ExpectLost(one("[9223372036854775808]", 4), "array of integers");
  ExpectLost(one("[4]", -4), "lies outside the data");
}

}  // namespace
}  // namespace strata
