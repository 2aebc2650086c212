// The command line client of a strata-server; see `strata --help`.

#include <string>
#include <vector>

#include "client/command.h"
#include "client/interrupts.h"

int main(int argc, char** argv) {
  strata::InstallInterrupts();
  return strata::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc));
}
