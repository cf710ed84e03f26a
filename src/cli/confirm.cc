#include "cli/confirm.hh"

#include "cli/session.hh"
#include "cli/values.hh"

#include <unistd.h>

namespace hull::cli {

bool confirm(Session& session, std::string_view warning) {
    session.print(std::string(warning) + "\nAre you sure you want to continue? [y/N] ");
    std::string answer;
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') answer += c;
    answer = lower(trim(answer));
    return answer == "y" || answer == "yes";
}

}  // namespace hull::cli
