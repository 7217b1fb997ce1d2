# What `cmake --install` leaves for programs that link the client and the hasher:
#
#   find_package(engram REQUIRED)
#   target_link_libraries(app PRIVATE engram::client engram::hash)
#
# Includes are those of this tree: "client/engram_client.h".
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(engram_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/engram)

# engram_package(engram_NAME [HEADERS...]): exports a library as engram::NAME, with its headers.
function(engram_package target)
  cmake_parse_arguments(ARG "" "" "HEADERS" ${ARGN})
  string(REPLACE "engram_" "" name ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
                                  FILES ${ARG_HEADERS})
  install(TARGETS ${target} EXPORT engram
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/engram)
endfunction()

install(EXPORT engram NAMESPACE engram:: FILE engramTargets.cmake DESTINATION ${engram_package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/engramConfig.cmake.in engramConfig.cmake
                              INSTALL_DESTINATION ${engram_package_dir})
write_basic_package_version_file(engramConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/engramConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/engramConfigVersion.cmake
        DESTINATION ${engram_package_dir})
