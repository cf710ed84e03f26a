#include "transfer/program.hh"

int main(int argument_count, char** arguments) {
    return hull::transfer::run_program(argument_count, arguments);
}
