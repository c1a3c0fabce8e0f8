@echo off
rem Runs lora-scripts from its folder: installs and builds what is missing first.
where node >nul 2>nul
if errorlevel 1 (
  echo lora needs Node 20.9 or newer, and no node was found on the PATH. Get it from https://nodejs.org 1>&2
  exit /b 1
)
node "%~dp0scripts\launch.cjs" %*
