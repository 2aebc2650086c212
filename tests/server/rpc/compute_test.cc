// --devices and --trainer-devices: what they stand for on machines with and without GPUs.

#include "server/app/compute.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace strata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> kTwo = {"cuda:0", "cuda:1"};

TEST(ComputeTest, AutoTakesWhatThereIs) {
  EXPECT_THAT(*ChooseDevices("auto", {}), IsEmpty());
  EXPECT_THAT(*ChooseDevices("auto", kTwo), ElementsAre("cuda:0", "cuda:1"));
  EXPECT_THAT(*ChooseDevices("cpu", kTwo), IsEmpty());
}

TEST(ComputeTest, OneWorkerADevice) {
  EXPECT_THAT(*ChooseDevices("cuda", kTwo), ElementsAre("cuda:0", "cuda:1"));
  EXPECT_THAT(*ChooseDevices("cuda:1", kTwo), ElementsAre("cuda:1"));
  EXPECT_THAT(*ChooseDevices("cuda:1,cuda:0", kTwo),
              ElementsAre("cuda:1", "cuda:0"));
  EXPECT_THAT(*ChooseDevices("tensor", kTwo), ElementsAre("cpu"));
}

TEST(ComputeTest, JobsTrainOnWhatDecodesUnlessTheyAreTold) {
  const auto trains = [](const std::string& devices, const std::string& decode) {
    return *ChooseTrainerDevices(devices, *ChooseDevices(decode, kTwo), kTwo);
  };
  EXPECT_THAT(trains("auto", "cpu"), ElementsAre("cpu"));
  EXPECT_THAT(trains("auto", "tensor"), ElementsAre("cpu"));
  EXPECT_THAT(trains("auto", "cuda:1"), ElementsAre("cuda:1"));
  EXPECT_THAT(trains("cpu", "cuda"), ElementsAre("cpu"));
  EXPECT_THAT(trains("cuda", "cpu"), ElementsAre("cuda:0", "cuda:1"));
  EXPECT_THAT(trains("cuda:1", "cuda:0"), ElementsAre("cuda:1"));
  const auto bad = ChooseTrainerDevices("tensor", {}, kTwo).status();
  EXPECT_THAT(std::string(bad.message()), HasSubstr("--trainer-devices"));
}

TEST(ComputeTest, WhatIsNotThereIsNamed) {
  const auto error = [](const std::string& devices,
                        const std::vector<std::string>& cuda) {
    return std::string(ChooseDevices(devices, cuda).status().message());
  };
  EXPECT_THAT(error("cuda", {}), HasSubstr("no CUDA device"));
  EXPECT_THAT(error("cuda:2", kTwo), HasSubstr("only cuda:0,cuda:1"));
  EXPECT_THAT(error("cuda:0", {}), HasSubstr("there is none"));
  EXPECT_THAT(error("cuda:0,cuda:0", kTwo), HasSubstr("twice"));
  EXPECT_THAT(error("gpu", kTwo), HasSubstr("--devices"));
  EXPECT_THAT(error("", kTwo), HasSubstr("must be"));
}

}  // namespace
}  // namespace strata
