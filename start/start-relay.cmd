@echo off
rem Starts PyChat's relay by a double click, on Windows. All but finding Node is done by start.cjs.
where node >nul 2>nul
if errorlevel 1 (
  echo PyChat needs Node.js, which is not installed here.
  echo Get the LTS version from https://nodejs.org, install it, and start this again.
  pause
  exit /b 1
)
node "%~dp0start.cjs" relay %*
