# Build options and the flags that all of our own code is compiled with.

option(ENGRAM_BUILD_TESTS "Build the tests and benchmarks" ON)
set(ENGRAM_SANITIZE "" CACHE STRING "Sanitizers to build with: 'address,undefined' or 'thread'")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(default_march "x86-64-v3")
endif()
set(ENGRAM_MARCH "${default_march}" CACHE STRING "Instruction set passed to -march; empty: default")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD AND NOT ENGRAM_SANITIZE)
  add_link_options(-fuse-ld=mold)
endif()
if(ENGRAM_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")  # halves the time to build
  # The check of vtable pointers needs a descriptor, which tests of their shortage do not leave it.
  add_compile_options(-fsanitize=${ENGRAM_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all -fno-sanitize=vptr)
  add_link_options(-fsanitize=${ENGRAM_SANITIZE})
endif()
if(ENGRAM_MARCH)
  add_compile_options(-march=${ENGRAM_MARCH})
endif()

# engram_library(NAME SOURCES... [PUBLIC libs...] [PRIVATE libs...]): a static library of our code.
function(engram_target_defaults target)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Werror)
endfunction()

function(engram_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  engram_target_defaults(${name})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

function(engram_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  engram_target_defaults(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  if(ENGRAM_SANITIZE MATCHES "thread" AND ENGRAM_BUILD_TESTS)
    target_link_libraries(${name} PRIVATE engram_absl_mutex_tsan)
  endif()
endfunction()
