// What a server that is ready has at least done: LibTorch is there, and the weights
// are read and checked. run.sh compares the start of a server with it.
//
//   bare_start FILE

#include <cstdio>

#include <torch/torch.h>

#include "model/version_dir.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "bare_start FILE\n");
    return 2;
  }
  const auto digest = strata::Sha256HexOfFile(argv[1]);
  if (!digest.ok()) {
    std::fprintf(stderr, "%s\n", digest.status().ToString().c_str());
    return 1;
  }
  std::printf("%s %f\n", digest->c_str(), torch::ones({2, 2}).mm(torch::ones({2, 2}))
                                             .sum().item<double>());
  return 0;
}
